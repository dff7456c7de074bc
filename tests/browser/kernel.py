"""The other end of the wire: code run in a page's kernel, without the page taking part."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any

import websocket

if TYPE_CHECKING:
    from collections.abc import Iterator


class KernelError(AssertionError):
    """The code raised in the kernel; the message is the exception's name and text."""


def execute(address: str, code: str, silence: float) -> str:
    """Runs ``code`` in the kernel behind a websocket address, unseen by its page.

    Args:
        address: The kernel's channels, with the token.
        code: What to run.
        silence: Seconds without any word from the kernel after which it is given up.

    Returns:
        What the code printed.
    """
    request = _request(code)
    with closing(websocket.create_connection(address, timeout=silence)) as channel:
        channel.send(json.dumps(request))
        return "".join(_printed(channel, request["header"]["msg_id"]))


def _request(code: str) -> dict[str, Any]:
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False, "stop_on_error": False}
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "session": uuid.uuid4().hex,
        "username": "",
        "version": "5.3",
    }
    return {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content, "buffers": []}


def _printed(channel: websocket.WebSocket, request_id: str) -> Iterator[str]:
    """What the code of one request prints, until its kernel is idle again."""
    while True:
        raw = channel.recv()
        if isinstance(raw, bytes):
            continue  # a widget's message, with buffers
        message = json.loads(raw)
        if message["parent_header"].get("msg_id") != request_id:
            continue
        match message["msg_type"], message["content"]:
            case "stream", content:
                yield content["text"]
            case "error", content:
                raise KernelError(f"{content['ename']}: {content['evalue']}")
            case "status", {"execution_state": "idle"}:
                return
