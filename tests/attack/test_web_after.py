"""The running preview after everything that was thrown at it."""

import json

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from support.commands import ROOT

from attack.cases import web as web_cases
from attack.cases.web import fetched


def test_the_page_answers_as_before_after_every_path_and_payload(preview):
    url = f"{preview.url}gradio_api/call/classify"
    with httpx.Client(timeout=30) as client:
        for path in list(web_cases.paths())[::7]:
            text = fetched(preview.url + path)
            assert not any(secret in text for secret in web_cases.SECRETS), path
        for body in list(web_cases.payloads())[::7]:
            content = json.dumps(body).encode()
            assert client.post(url, content=content, headers={"Content-Type": "application/json"}).status_code < 500
    answer = Client(preview.url, verbose=False, ssl_verify=False).predict(
        handle_file(ROOT / "examples" / "dandelion.jpg"), api_name="/classify"
    )
    assert answer["label"]
    with pytest.raises(AppError, match="no photo yet"):
        Client(preview.url, verbose=False, ssl_verify=False).predict(None, api_name="/classify")
