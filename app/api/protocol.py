"""HTTP/1.1 as uvicorn speaks it, but what is no HTTP request gets a problem instead of plain text."""

from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.api.errors import PROBLEM_JSON, PROBLEMS, problem_body
from contracts.ids import new_id

MALFORMED = "malformed_request"


class ProblemProtocol(HttpToolsProtocol):
    def send_400_response(self, msg: str) -> None:
        """Answer what the parser refused, and hang up."""
        request_id = str(new_id())
        body = to_json(problem_body(MALFORMED, PROBLEMS[MALFORMED].meaning, request_id))
        head = (
            "HTTP/1.1 400 Bad Request",
            f"Content-Type: {PROBLEM_JSON}",
            f"Content-Length: {len(body)}",
            f"X-Request-Id: {request_id}",
            "Connection: close",
        )
        self.transport.write("\r\n".join((*head, "", "")).encode() + body)
        self.transport.close()
