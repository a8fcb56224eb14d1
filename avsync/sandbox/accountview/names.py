"""The names of another installation, and the words avsync has for them (AccountView contract 5, marks I and U)."""

from __future__ import annotations

from typing import Any

# table -> (business object there, table there, {column: column there})
OTHER: dict[str, tuple[str, str, dict[str, str]]] = {
    "ASC_PP": (
        "CP1",
        "CONTPERS",
        {
            "PP_CODE": "CP_NR",
            "SUB_NR": "CP_DEB",
            "PP_DEAR": "CP_AANHEF",
            "FRST_NAME": "CP_VOORN",
            "LAST_NAME": "CP_ACHTERN",
            "MAIL_PRIV": "CP_MAIL",
            "TEL_BUS": "CP_TEL",
            "TEL_MOB": "CP_MOBIEL",
            "CNG_DATE": "WYZ_DATUM",
        },
    ),
    "PROJECTS": (
        "PJ1",
        "PROJECTS",
        {
            "PRO_STAT": "PJ_STATUS",
            "PRO_TYPE": "PJ_SOORT",
            "EMP_NR": "PJ_LEIDER",
            "COMMENT1": "PJ_MEMO",
            "CNG_DATE": "WYZ_DATUM",
        },
    ),
    "PRO_TYPE": ("TY1", "PRJSOORT", {"PT_CODE": "SRT_CODE", "PT_DESC": "SRT_OMS"}),
    "EMPLOYEE": ("MW1", "MEDEWERK", {"EMP_NAME": "MW_NAAM", "REC_BLK": "MW_BLOK"}),
    "SO_HDR": (
        "SO1",
        "SO_HDR",
        {"ORD_NR": "VO_NUMMER", "PROJ_CODE": "VO_PROJECT", "EXT_ID": "EXT_REF", "CNG_DATE": "WYZ_DATUM"},
    ),
    "SO_LINE": ("SO1", "SO_LINE", {"REC_ID": "VR_ID"}),
    "HRS_HDR": ("UR1", "URENSTT", {"SHT_NR": "STT_ID", "EMP_NR": "STT_MEDEW", "BEG_DATE": "STT_BEGIN"}),
    "HRS_LINE": (
        "UR1",
        "UREN",
        {
            "REC_ID": "UUR_ID",
            "EMP_NR": "UUR_MEDEW",
            "PROJ_CODE": "UUR_PROJ",
            "HRS_CODE": "UURSOORT",
            "HRS_DATE": "UUR_DATUM",
            "HRS_DESC": "UUR_OMS",
            "HRS_QTY": "UUR_AANTAL",
            "EXT_ID": "EXT_REF",
            "CNG_DATE": "WYZ_DATUM",
        },
    ),
    "HRS_CODE": ("US1", "UURSOORT", {"HRS_CODE": "US_CODE", "HRS_DESC": "US_OMS"}),
}

# what avsync calls a kind of record -> (table, {its own name of a column: column}), as in AccountView contract 5
PARTS: dict[str, tuple[str, dict[str, str]]] = {
    "customer": (
        "CONTACT",
        {
            "number": "SUB_NR",
            "name": "ACCT_NAME",
            "search_code": "SRC_CODE",
            "ledger_account": "ACCT_NR",
            "phone": "TEL_BUS",
            "email": "MAIL_BUS",
            "street": "ADDRESS1",
            "postal_code": "POST_CODE",
            "city": "CITY",
            "country": "CNT_CODE",
            "postal_street": "PO_BOX",
            "postal_postal_code": "PO_CODE",
            "postal_city": "PO_CITY",
            "blocked": "REC_BLK",
            "blocked_for_orders": "BLK_SP",
            "changed_at": "CNG_DATE",
            "created_at": "INP_DATE",
        },
    ),
    "contact": (
        "ASC_PP",
        {
            "code": "PP_CODE",
            "customer": "SUB_NR",
            "salutation": "PP_DEAR",
            "first_name": "FRST_NAME",
            "last_name": "LAST_NAME",
            "email": "MAIL_PRIV",
            "phone": "TEL_BUS",
            "mobile": "TEL_MOB",
            "changed_at": "CNG_DATE",
        },
    ),
    "project": (
        "PROJECTS",
        {
            "code": "PROJ_CODE",
            "name": "PROJ_DESC",
            "customer": "SUB_NR",
            "start_date": "BEG_DATE",
            "end_date": "END_DATE",
            "status": "PRO_STAT",
            "type": "PRO_TYPE",
            "employee": "EMP_NR",
            "description": "COMMENT1",
            "changed_at": "CNG_DATE",
        },
    ),
    "project_type": ("PRO_TYPE", {"code": "PT_CODE", "name": "PT_DESC"}),
    "employee": ("EMPLOYEE", {"number": "EMP_NR", "name": "EMP_NAME", "blocked": "REC_BLK"}),
    "article": (
        "ARTICLE",
        {"number": "ART_CODE", "name": "ART_DESC1", "blocked": "REC_BLK", "changed_at": "CNG_DATE"},
    ),
    "ledger": ("LEDGER", {"number": "ACCT_NR", "name": "ACCT_NAME"}),
    "order": (
        "SO_HDR",
        {
            "number": "ORD_NR",
            "customer": "RPL_DEL",
            "invoice_customer": "RPL_INV",
            "order_date": "ORD_DATE",
            "delivery_date": "DEL_DATE",
            "description": "COMMENT1",
            "work_type": "COMMENT2",
            "project": "PROJ_CODE",
            "reference": "EXT_ID",
            "changed_at": "CNG_DATE",
        },
    ),
    "order_line": (
        "SO_LINE",
        {"id": "REC_ID", "article": "ART_CODE", "quantity": "ORD_QTY", "delivery_date": "DEL_DATE"},
    ),
    "hour": (
        "HRS_LINE",
        {
            "id": "REC_ID",
            "employee": "EMP_NR",
            "project": "PROJ_CODE",
            "time_code": "HRS_CODE",
            "date": "HRS_DATE",
            "description": "HRS_DESC",
            "quantity": "HRS_QTY",
            "reference": "EXT_ID",
            "changed_at": "CNG_DATE",
        },
    ),
    "time_code": ("HRS_CODE", {"code": "HRS_CODE", "name": "HRS_DESC"}),
}
SHEET = ("HRS_HDR", {"key": "SHT_NR", "employee": "EMP_NR", "period_start": "BEG_DATE"})


def overrides(names: str) -> dict[str, Any]:
    """The `accountview.schema` of a config that fits the sandbox with these names; empty for the default ones."""
    if names != "other":
        return {}
    schema: dict[str, Any] = {}
    for kind, (table, columns) in PARTS.items():
        if table in OTHER:
            code, there, renamed = OTHER[table]
            changed = {neutral: renamed[column] for neutral, column in columns.items() if column in renamed}
            schema[kind] = {"business_object": code, "table": there, "columns": changed}
    return schema
