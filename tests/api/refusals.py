"""What a real API server says when it refuses."""

import json
import re

from api.objects import Json
from kubernetes.client import ApiException


def refusal(error: ApiException) -> Json:
    assert error.status == 422, error.body
    answer: Json = json.loads(error.body)
    return answer


def causes(error: ApiException) -> dict[str, str]:
    """The messages of a refusal, by the field each blames."""
    found: dict[str, str] = {}
    for cause in refusal(error)["details"]["causes"]:
        field = re.sub(r"\[([a-z]+)\]", r".\1", cause["field"])  # rules say labels[a] where patterns say labels.a
        found[field] = f"{found.get(field, '')} {cause['message']}"
    return found
