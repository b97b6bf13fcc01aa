"""The routes of the light curves and of tables."""

from __future__ import annotations

from tornado.routing import URLSpec

from handlers.api.light_curves.curve import LightCurveHandler
from handlers.api.light_curves.periodogram import PeriodogramHandler
from handlers.api.light_curves.points import PointHandler
from handlers.api.light_curves.tables import TableHandler
from handlers.http.query import PK
from handlers.http.routing import route
from handlers.services import Services


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of the light curves and of tables."""
    curve = rf"/api/targets/{PK}/lightcurve/"
    return [
        route(curve, LightCurveHandler, services),
        route(rf"{curve}points/{PK}/", PointHandler, services),
        route(rf"{curve}periodogram/", PeriodogramHandler, services),
        route(rf"/api/dataproducts/{PK}/table/", TableHandler, services),
    ]
