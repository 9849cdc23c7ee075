// Browsers refuse `new Worker(url)` on pages opened from the disk (file://). The search of the theme needs a worker, so this
// runs its script in a hidden iframe instead, with the same messages in both directions.
"use strict";
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.onmessage = null;
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      // The script calls postMessage(data). In a window that function needs a target, and the target is this page.
      this.frame.srcdoc =
        "<script>window.postMessage = (data) => parent.postMessage({ worker: true, data }, '*');</" + "script>" +
        '<script src="' + new URL(url, location.href).href + '"></' + "script>" +
        "<script>parent.postMessage({ ready: true }, '*');</" + "script>";
      window.addEventListener("message", (event) => this.receive(event));
      const attach = () => document.body.appendChild(this.frame);
      if (document.body) attach();
      else window.addEventListener("DOMContentLoaded", attach);
    }

    receive(event) {
      if (event.source !== this.frame.contentWindow) return;
      if (event.data.ready) {
        const waiting = this.waiting;
        this.waiting = null;
        for (const data of waiting) this.postMessage(data);
      } else if (event.data.worker) {
        const message = new MessageEvent("message", { data: event.data.data });
        this.dispatchEvent(message);
        if (typeof this.onmessage === "function") this.onmessage(message);
      }
    }

    postMessage(data) {
      if (this.waiting) {
        this.waiting.push(data);
        return;
      }
      this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
