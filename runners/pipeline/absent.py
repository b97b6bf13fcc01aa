"""What pipelines of tom_education may ask for and a run does not have, and what to do instead.

The run says it when it is asked for, and `heliograph check-pipeline` beforehand.
"""

from __future__ import annotations

NO_DATABASE = "a run has no database, only its target and its files"
_BY_THE_SERVER = "the server does this"
_EXTRA_FIELDS = (
    "a target has pk, id, identifier, name, ra, dec and extra_fields; put what you need into its"
    " extra fields"
)
_A_LIST = "there is no database, the inputs are a list; go through it, or filter() it by name"
_UNCHANGED = "stored files do not change; write a file into tmpdir and return it"


def _each(names: str, instead: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), instead)


#: of `self`
OF_PROCESSES = {
    **_each("created delete get_available get_subclass create_timestamped run", _BY_THE_SERVER),
    **_each("objects DoesNotExist MultipleObjectsReturned _meta flags_json", NO_DATABASE),
}
#: of `self.target`
OF_TARGETS = _each(
    "type created modified epoch parallax pm_ra pm_dec galactic_lng galactic_lat distance"
    " distance_err scheme epoch_of_elements mean_anomaly arg_of_perihelion eccentricity"
    " lng_asc_node inclination mean_daily_motion semimajor_axis epoch_of_perihelion"
    " ephemeris_period ephemeris_period_err ephemeris_epoch ephemeris_epoch_err perihdist"
    " slug tags names aliases targetextra_set as_dict",
    _EXTRA_FIELDS,
) | _each(
    "targetlist_set dataproduct_set reduceddatum_set observationrecord_set save delete"
    " refresh_from_db objects",
    NO_DATABASE,
)
#: of a product among the inputs
OF_PRODUCTS = _each(
    "target observation_record created modified extra_data group featured thumbnail"
    " reduceddatum_set get_preview get_image_dimensions create_thumbnail objects",
    NO_DATABASE,
) | _each("save delete", _UNCHANGED)
#: of its `data`
OF_DATA = {
    "url": "the server serves files; read them by open(), read() or path",
    "storage": "read files by open(), read() or path",
    **_each("save delete write", _UNCHANGED),
}
#: of `self.input_files` and what its methods return
OF_QUERY_SETS = _each(
    "aggregate annotate bulk_create create dates datetimes defer delete distinct difference"
    " earliest iterator latest only prefetch_related query select_related set union update values"
    " values_list add remove",
    _A_LIST,
)
