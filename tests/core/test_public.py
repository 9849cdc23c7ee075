from __future__ import annotations

import inspect
import itertools
import typing

import pytest

import triverse
from triverse import AsyncTriverse, Triverse
from triverse.api.uploads import AsyncUploads, Uploads
from triverse.api.users_namespace import AsyncUsers, Users

EXPORTED = [
    "APIError",
    "AccountBalance",
    "Asset",
    "AsyncTriverse",
    "AuthenticationError",
    "BadRequestError",
    "BalanceChange",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "DeadlineExceededError",
    "InsufficientCreditsError",
    "InvalidResponseError",
    "NotFoundError",
    "PermissionDeniedError",
    "Progress",
    "Quote",
    "RateLimitError",
    "Request",
    "RequestTimeoutError",
    "Response",
    "ServerError",
    "ServiceUnavailableError",
    "Task",
    "TaskCancelledError",
    "TaskError",
    "TaskFailedError",
    "TaskQueue",
    "Timeout",
    "TransportError",
    "Triverse",
    "TriverseError",
    "UploadedFile",
    "UserBalance",
    "UserInfo",
    "__version__",
    "api",
]

# The sync and the async version of each class.
TWINS: list[tuple[type, type]] = [
    (Triverse, AsyncTriverse),
    (Uploads, AsyncUploads),
    (Users, AsyncUsers),
]

# Methods that have another name in the async client.
RENAMED = {"close": "aclose", "__enter__": "__aenter__", "__exit__": "__aexit__"}


def test_the_exported_names_are_these() -> None:
    assert sorted(triverse.__all__) == EXPORTED
    assert all(hasattr(triverse, name) for name in EXPORTED)


def test_no_other_public_name_is_in_the_package_itself() -> None:
    modules = {name for name, value in vars(triverse).items() if inspect.ismodule(value)}
    public = {name for name in vars(triverse) if not name.startswith("_")} - modules - {"annotations", "TYPE_CHECKING"}
    assert public <= set(EXPORTED)


def test_everything_exported_is_documented() -> None:
    for name in set(EXPORTED) - {"__version__"}:
        assert inspect.getdoc(getattr(triverse, name)), name


def surface(cls: type) -> dict[str, typing.Any]:
    shown = {name: value for name, value in vars(cls).items() if callable(value)}
    return {
        name: value
        for name, value in shown.items()
        if not name.startswith("_") or name in {"__init__", *RENAMED, *RENAMED.values()}
    }


def parameters(function: typing.Any) -> list[tuple[str, object, object, str]]:
    """Return names, kinds, defaults and types of the parameters, without `Async` in the names of types."""
    found = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default, str(p.annotation).replace("Async", "")) for p in found]


def sections(function: typing.Any) -> list[str]:
    """Return the first paragraph of a docstring, and its sections for arguments and errors."""
    # Only callbacks of the async client may be async.
    paragraphs = (inspect.getdoc(function) or "").replace(" It may be async.", "").split("\n\n")
    return [paragraphs[0], *(part for part in paragraphs if part.startswith(("Args:", "Raises:")))]


def returned(function: typing.Any) -> str:
    """Return the return annotation; for iterators only `values`."""
    annotation = str(inspect.signature(function).return_annotation).replace("Async", "")
    iterators = ("async_balances.Balances", "ClosableIterator", "Generator")
    return "values" if annotation.startswith(iterators) else annotation


@pytest.mark.parametrize(("sync", "asynchronous"), TWINS)
def test_both_clients_have_the_same_methods_with_the_same_parameters(sync: type, asynchronous: type) -> None:
    ours, theirs = surface(sync), surface(asynchronous)
    assert {RENAMED.get(name, name) for name in ours} == set(theirs)
    for name, method in ours.items():
        other = theirs[RENAMED.get(name, name)]
        assert parameters(method) == parameters(other), name
        assert returned(method) == returned(other), name


@pytest.mark.parametrize(("sync", "asynchronous"), TWINS)
def test_both_clients_document_each_method_in_the_same_words(sync: type, asynchronous: type) -> None:
    for name, method in surface(sync).items():
        other = surface(asynchronous)[RENAMED.get(name, name)]
        assert sections(method) == sections(other), name
        assert name.startswith("__") or inspect.getdoc(method), name


def test_blocking_methods_of_one_client_are_async_in_the_other() -> None:
    for sync, asynchronous in TWINS:
        for name, method in surface(sync).items():
            if name not in {"__init__", "with_options"}:
                assert not inspect.iscoroutinefunction(method), name
                other = surface(asynchronous)[RENAMED.get(name, name)]
                assert inspect.iscoroutinefunction(other) or "Async" in str(
                    inspect.signature(other).return_annotation
                ), name


def test_all_but_the_key_is_passed_by_keyword() -> None:
    for cls in (Triverse, AsyncTriverse):
        _, key, *others = inspect.signature(cls.__init__).parameters.values()
        assert (key.name, key.kind, key.default) == ("api_key", inspect.Parameter.POSITIONAL_OR_KEYWORD, None)
        assert [p.name for p in others] == [
            "base_url",
            "timeout",
            "deadline",
            "max_retries",
            "max_connections",
            "http_client",
            "allow_http",
        ]
        assert {p.kind for p in others} == {inspect.Parameter.KEYWORD_ONLY}


def test_no_any_is_on_the_public_surface() -> None:
    for cls in itertools.chain(*TWINS):
        for name, method in surface(cls).items():
            assert "Any" not in str(inspect.signature(method)).replace("AnyStr", ""), name
