from __future__ import annotations

from collections.abc import Callable

import pytest
from support.download_driver import TASK, Answer, Run, Scripted, answer, asset, broken, download, rest, stream
from support.files import PNG, glb

from triverse import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidResponseError,
    NotFoundError,
    PermissionDeniedError,
    Progress,
    ServiceUnavailableError,
    TransportError,
)
from triverse.api.downloads import Begin, Download, Stream
from triverse.core.attempt import FailureKind

FILE = glb(1000)
ETAG = '"one"'


def test_a_file_comes_in_one_request() -> None:
    run = download(on_progress=print)
    assert run.run(answer(FILE, content_disposition='attachment; filename="helmet.bin"')) is None
    assert run.file == FILE
    assert run.begins == [Begin("helmet.glb", "application/octet-stream", 1000)]
    assert run.notes == [Progress(done, 1000) for done in range(100, 1001, 100)]
    (attempt,) = run.attempts
    assert attempt.request.path == f"/tasks/download/{TASK}"
    assert attempt.request.url is None
    assert attempt.deadline is None
    assert run.header("Accept-Encoding") == "identity"


def test_a_file_that_is_shorter_than_any_header_comes_whole() -> None:
    run = download()
    assert run.run(answer(b"short")) is None
    assert run.file == b"short"


def test_without_a_name_the_task_names_the_file() -> None:
    run = download()
    run.run(answer(FILE, content_type="model/gltf-binary", content_length=None))
    assert run.begins == [Begin(f"{TASK}.glb", "model/gltf-binary", None)]


@pytest.mark.parametrize("make", [download, stream])
def test_a_broken_transfer_continues_by_a_strong_etag(make: Callable[[], Run]) -> None:
    run = make()
    assert run.run(answer(FILE, etag=ETAG, cut=300), rest(FILE, 300, cut=100), rest(FILE, 400, etag=ETAG)) is None
    assert run.file == FILE
    assert len(run.begins) == 1
    assert run.header("Range", 0) is None
    assert [run.header("Range", number) for number in (1, 2)] == ["bytes=300-", "bytes=400-"]
    assert run.header("If-Range") == ETAG


def test_a_continued_transfer_is_repeated_as_long_as_it_brings_bytes() -> None:
    run = download(max_retries=0)
    cuts = [rest(FILE, offset, cut=50) for offset in range(50, 950, 50)]
    assert run.run(answer(FILE, etag=ETAG, cut=50), *cuts, rest(FILE, 950)) is None
    assert run.file == FILE
    assert run.pauses == [0.0] + [0.25] * 19


def test_after_much_progress_the_next_attempt_does_not_wait() -> None:
    large = glb(200_000)
    run = download(max_retries=0)
    assert run.run(answer(large, etag=ETAG, cut=100_000), rest(large, 100_000)) is None
    assert run.pauses == [0.0, 0.0]


@pytest.mark.parametrize("nothing", [rest(FILE, 300, cut=0), broken(), answer({"code": 5003}, 503)])
def test_an_attempt_without_new_bytes_counts_as_a_retry(nothing: Scripted) -> None:
    run = download(max_retries=2)
    error = run.run(answer(FILE, etag=ETAG, cut=300), nothing, nothing, nothing)
    assert isinstance(error, (ConnectionFailedError, ServiceUnavailableError))


@pytest.mark.parametrize("etag", [None, 'W/"weak"', "bare"])
def test_without_a_strong_etag_the_file_begins_once_more(etag: str | None) -> None:
    run = download()
    assert run.run(answer(FILE, etag=etag, cut=300), answer(FILE, etag=etag)) is None
    assert run.file == FILE
    assert len(run.begins) == 2
    assert run.header("Range") is None


def test_without_a_size_the_file_begins_once_more() -> None:
    run, text = download(), b"v 1 2 3\n" * 100
    assert run.run(answer(text, etag=ETAG, content_length=None, cut=300), answer(text)) is None
    assert run.header("Range") is None


def test_the_header_of_a_glb_gives_the_size_that_the_server_does_not_send() -> None:
    run = download()
    assert run.run(answer(FILE, etag=ETAG, content_length=None, cut=300), rest(FILE, 300)) is None
    assert run.file == FILE


OTHER = [
    rest(FILE, 301),
    rest(FILE, 299),
    rest(FILE, 300, content_range="bytes 300-999/1001"),
    rest(FILE, 300, content_range=None),
    rest(FILE, 300, content_range="bytes 300-999/*"),
    rest(FILE, 300, etag='"two"'),
    answer(b"", 416, content_range="bytes */1000"),
]


@pytest.mark.parametrize("other", OTHER)
def test_a_response_that_does_not_continue_makes_the_file_begin_once_more(other: Answer) -> None:
    run = download()
    assert run.run(answer(FILE, etag=ETAG, cut=300), other, answer(FILE)) is None
    assert run.file == FILE
    assert run.header("Range") is None
    counted = download(max_retries=0)
    error = counted.run(answer(FILE, etag=ETAG, cut=300), other)
    assert isinstance(error, ConnectionFailedError)
    assert "did not continue" in str(error)


def test_a_server_that_ignores_the_range_sends_the_file_once_more() -> None:
    run = download()
    changed = FILE[:-1] + b"!"
    assert run.run(answer(FILE, etag=ETAG, cut=300), answer(changed, etag='"two"')) is None
    assert run.file == changed
    assert len(run.begins) == 2


def test_ignored_ranges_count_so_that_they_end() -> None:
    run = download(max_retries=2)
    error = run.run(*[answer(FILE, etag=ETAG, cut=300)] * 4)
    assert isinstance(error, ConnectionFailedError)


@pytest.mark.parametrize("answers", [[], [answer(FILE, etag='"two"')], [rest(FILE, 301)]])
def test_a_stream_that_cannot_continue_raises(answers: list[Answer]) -> None:
    run = stream()
    error = run.run(answer(FILE, etag=ETAG if answers else None, cut=300), *answers)
    assert isinstance(error, ConnectionFailedError)
    assert run.file == FILE[:300]


def test_a_stream_that_has_handed_on_nothing_begins_once_more() -> None:
    run = stream()
    assert run.run(broken(), answer({"code": 5003}, 503), answer(FILE)) is None
    assert run.file == FILE
    held = stream()
    assert held.run(answer(FILE, etag=ETAG, cut=20), rest(FILE, 20)) is None
    assert held.file == FILE
    again = stream()
    assert again.run(answer(FILE, cut=20), answer(FILE)) is None
    assert again.file == FILE


def test_fewer_bytes_than_announced_are_a_broken_transfer() -> None:
    for short in (answer(FILE[:900], content_length="1000"), answer(FILE[:900], content_length=None)):
        error = download(max_retries=1).run(short, short)
        assert isinstance(error, ConnectionFailedError)
        assert "900 of 1,000 bytes" in str(error)
        assert (error.method, error.url) == ("GET", "https://api.example/api/v1/tasks/download/1")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (answer(FILE, content_encoding="gzip"), "content encoding"),
        (answer(b"<html>"), "HTML page"),
        (answer({"code": 0, "message": "success", "data": {}}), "JSON message"),
        (answer(b""), "empty"),
        (answer(glb(1000, stated=999)), "contains the length 999"),
        (answer(b"v 1 2 3" * 100, content_length="600"), "longer than the 600 bytes"),
        (answer(b"", 204), "no file"),
        (rest(FILE, 300), "no file"),
        (answer(b"", 302), "no Location"),
        (answer(b"", 302, location="http://storage.example/x"), "from https to http"),
        (answer(PNG, content_length=None), None),
    ],
)
def test_a_body_that_is_no_file_is_refused_at_once(given: Answer, text: str | None) -> None:
    run = download()
    error = run.run(given)
    if text is None:
        assert error is None
        return
    assert isinstance(error, InvalidResponseError)
    assert text in str(error)
    assert "GET https://api.example/api/v1/tasks/download/1" in str(error)
    assert (error.method, error.url) == ("GET", "https://api.example/api/v1/tasks/download/1")
    assert run.file == b"" or "longer" in text


def test_a_target_named_glb_refuses_a_picture() -> None:
    run = download(must_be_glb=True)
    assert isinstance(run.run(answer(PNG)), InvalidResponseError)
    assert run.begins == []


def redirect(location: str) -> Answer:
    return answer(b"", 302, location=location)


def test_three_redirects_are_followed_without_the_key() -> None:
    run = download()
    hops = [redirect("https://storage.example/1?sig=s"), redirect("/2"), redirect("3?sig=t#f")]
    assert run.run(*hops, answer(FILE)) is None
    assert [attempt.request.url for attempt in run.attempts] == [
        None,
        "https://storage.example/1?sig=s",
        "https://storage.example/2",
        "https://storage.example/3?sig=t",
    ]
    assert "sig" not in repr(run.attempts[1].request)


def test_a_fourth_redirect_is_refused() -> None:
    error = download().run(*[redirect("https://storage.example/x")] * 4)
    assert isinstance(error, InvalidResponseError)
    assert "more than 3 redirects" in str(error)


def test_a_continued_transfer_begins_at_the_api_again() -> None:
    run = download()
    first, second = redirect("https://storage.example/x?sig=1"), redirect("https://storage.example/x?sig=2")
    assert run.run(first, answer(FILE, etag=ETAG, cut=300), second, rest(FILE, 300)) is None
    assert [attempt.request.url for attempt in run.attempts][2:] == [None, "https://storage.example/x?sig=2"]
    assert run.header("Range", 2) == run.header("Range", 3) == "bytes=300-"
    assert run.pauses == [0.0, 0.0, 0.25, 0.0]


def test_a_preview_comes_from_the_url_of_the_asset() -> None:
    run = download(preview=True)
    url = "https://storage.example/p.png?sig=1"
    assert run.run(asset(url), answer(PNG, etag=ETAG, cut=40), asset(url), rest(PNG, 40)) is None
    assert run.file == PNG
    assert [attempt.request.url for attempt in run.attempts] == [url, url]
    assert [call.request.path for call in run.calls] == [f"/tasks/url/{TASK}"] * 2
    assert [call.after for call in run.calls] == [0.0, 0.25]
    assert run.pauses == [0.0, 0.0]
    assert run.begins[0].filename == f"{TASK}.png"


def test_a_task_without_a_preview_is_an_error() -> None:
    error = download(preview=True).run(asset(None))
    assert isinstance(error, NotFoundError)
    assert "no preview" in str(error)


@pytest.mark.parametrize(
    "url", ["http://storage.example/p.png?secret", "/p.png", "ftp://x/p.png", "https://u:p@x/p.png"]
)
def test_a_preview_url_that_must_not_be_fetched_is_refused(url: str) -> None:
    error = download(preview=True).run(asset(url))
    assert isinstance(error, InvalidResponseError)
    assert "secret" not in str(error)


def test_an_error_of_the_request_for_the_preview_url_is_raised() -> None:
    failure = NotFoundError("no task", status_code=404)
    assert download(preview=True).run(failure) is failure


def test_from_http_a_redirect_to_http_is_followed() -> None:
    run = download(secure=False)
    assert run.run(redirect("http://127.0.0.1/x"), answer(FILE)) is None


def test_errors_of_the_service_are_raised_with_their_code_and_texts() -> None:
    error = download().run(answer({"code": 4042, "message": "no assets", "suggestion": "Wait."}, 404))
    assert isinstance(error, NotFoundError)
    assert (error.code, error.message, error.suggestion) == (4042, "no assets", "Wait.")


def test_an_error_of_storage_needs_no_envelope() -> None:
    error = download().run(redirect("https://storage.example/x"), answer(b"<Error>expired</Error>", 403))
    assert isinstance(error, PermissionDeniedError)


def test_the_body_of_an_error_is_read_up_to_a_limit() -> None:
    error = download().run(answer(b"x" * (9 * 1024 * 1024), 404))
    assert isinstance(error, InvalidResponseError)
    assert isinstance(download().run(answer(b"{}", 404, cut=1)), NotFoundError)


def test_transient_errors_are_retried_with_pauses() -> None:
    run = download(max_retries=2)
    assert run.run(answer({"code": 5003}, 503, retry_after="4"), broken(), answer(FILE)) is None
    assert run.pauses == [0.0, 4.0, 0.5]
    assert [attempt.number for attempt in run.attempts] == [1, 2, 3]
    error = download(max_retries=1).run(broken(), broken())
    assert isinstance(error, ConnectionFailedError)


def test_errors_of_the_users_own_code_are_not_retried() -> None:
    error = download().run(broken(FailureKind.HOOK))
    assert type(error) is TransportError


def test_a_key_that_can_be_renewed_is_renewed_once() -> None:
    refused = answer({"code": 1001, "message": "unknown key"}, 401)
    assert download(max_retries=0, refreshes_key=True).run(refused, answer(FILE)) is None
    assert isinstance(download(refreshes_key=True).run(refused, refused), AuthenticationError)
    assert isinstance(download().run(refused), AuthenticationError)
    storage = redirect("https://storage.example/x")
    error = download(refreshes_key=True).run(storage, refused)
    assert isinstance(error, AuthenticationError)
    remedy = ". This URL is requested without the API key: it may have expired, so ask for a new one."
    assert str(error).endswith(remedy)


def test_the_timeout_bounds_everything() -> None:
    run = download(timeout=3.0)
    error = run.run(answer({"code": 5003}, 503, retry_after="4"))
    assert isinstance(error, ServiceUnavailableError)
    assert run.attempts[0].deadline == 1003.0
    late = download(timeout=1e-9)
    assert isinstance(late.run(broken(FailureKind.TIMEOUT)), DeadlineExceededError)
    assert isinstance(download().run(answer({}, 503, retry_after="9" * 9)), ServiceUnavailableError)


def test_long_texts_are_handed_on_in_small_chunks() -> None:
    sizes: list[int] = []
    text = b'{"asset": ' + b"1" * 200_000 + b"}"
    run = download(on_progress=print)
    assert run.run(answer(text)) is None
    sizes += [note.done for note in run.notes if isinstance(note, Progress)]
    assert sizes[0] >= 65536
    assert run.file == text


@pytest.mark.parametrize(("name", "value"), [("overwrite", 1), ("preview", None), ("timeout", 0), ("timeout", "1")])
def test_arguments_of_the_wrong_type_are_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Download(task_uuid=TASK, to="x", **{name: value})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # on purpose
    if name != "overwrite":
        with pytest.raises(ConfigurationError, match=name):
            Stream(task_uuid=TASK, **{name: value})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # on purpose
