"""`/docs`: the OpenAPI description as a page for people, made on the server: no script, nothing from elsewhere."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from tuft.report.frame import render_page

if TYPE_CHECKING:
    from fastapi import FastAPI

# The page has its style inside; everything else stays forbidden.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def router(app: FastAPI) -> APIRouter:
    """The route of the description of `app`."""
    routes = APIRouter()

    @cache
    def page() -> str:
        return description_page(app.openapi())

    @routes.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page(), headers={"Content-Security-Policy": f"{_POLICY}; frame-ancestors 'none'"})

    return routes


def description_page(described: dict[str, Any]) -> str:
    """The page that describes an API.

    Args:
        described: An OpenAPI document without references outside of its schemas.
    """
    operations = [
        {"method": method.upper(), "path": path, "fields": _fields(operation), **operation}
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    information = described["info"]
    return render_page(
        "tuft_gateway",
        "description.html.j2",
        title=f"{information['title']} {information['version']}",
        subtitle=information["description"],
        styles=("description.css",),
        operations=operations,
    )


def _fields(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of all forms of the body, and the parameters of the query."""
    contents = operation.get("requestBody", {}).get("content", {})
    fields: dict[str, dict[str, Any]] = {}
    for content in contents.values():
        fields.update(content["schema"].get("properties", {}))
    for parameter in operation.get("parameters", ()):
        fields[parameter["name"]] = {**parameter["schema"], "description": parameter.get("description", "")}
    return [{"name": name, **schema} for name, schema in fields.items()]
