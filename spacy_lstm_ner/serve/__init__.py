"""The recognizer as a service: answers over HTTP, and a page to look at them.

`app.create_app(nlp)` makes the FastAPI app. Needs the extra `serve`, except `answers`.
"""
