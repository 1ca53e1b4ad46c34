"""The subjects by which mail programs answer for somebody who is away, in the languages of those programs."""

from __future__ import annotations

import re
from typing import Final

_AUTOMATIC: Final = (
    "auto:", "auto reply", "auto-reply", "autoreply", "automatic reply", "automated reply", "automated response",
    "automatic response", "auto response", "auto-response", "autoresponse", "auto respond", "autoresponder",
    "autorespond", "[auto-reply]", "[auto reply]", "[autoreply]", "automatic answer", "auto answer", "vacation reply",
    "out of office reply", "out of office autoreply", "out of office auto", "automatische antwort",
    "automatische rückantwort", "automatische abwesenheit", "automatische e-mail-antwort", "abwesenheitsnotiz",
    "autoantwort", "auto-antwort", "réponse automatique", "reponse automatique", "respuesta automática",
    "respuesta automatica", "autorespuesta", "contestación automática", "resposta automática", "resposta automatica",
    "auto resposta", "risposta automatica", "risposta in automatico", "rispondo automaticamente",
    "automatisch antwoord", "automatisch bericht", "automatische reactie", "automatisch beantwoord",
    "autom. antwoord", "autosvar", "automatisk svar", "automatiskt svar", "fraværsbesked", "automatsvar",
    "automaattinen vastaus", "automaattivastaus", "odpowiedź automatyczna", "automatyczna odpowiedź", "autoodpowiedź",
    "autoresponder:", "automatická odpověď", "automatická odpoveď", "automatická odpoved", "automatikus válasz",
    "automatikus v", "răspuns automat", "raspuns automat", "otomatik yanıt", "otomatik cevap", "ofis dışında",
    "otomatik ileti", "автоответ", "автоматический ответ", "автоматическое сообщение", "автоответчик",
    "автоматична відповідь", "автоматичне", "автоматичен отговор", "автоматски одговор", "automatski odgovor",
    "samodejni odgovor", "avtomatski odgovor", "automaatvastus", "automātiska atbilde", "automātiskā atbilde",
    "automatinis atsakymas", "αυτόματη απάντηση", "תשובה אוטומטית", "מענה אוטומטי", "رد تلقائي", "الرد التلقائي",
    "پاسخ خودکار", "ตอบกลับอัตโนมัติ", "trả lời tự động", "thư trả lời tự động", "balasan otomatis",
    "balasan automatik", "स्वत: उत्तर", "स्वचालित उत्तर", "erantzun automatikoa", "resposta automàtica",
    "sjálfvirkt svar", "자동 회신", "자동 응답", "자동회신", "자동응답", "自動応答", "自動返信", "自动答复",
    "自动回复", "自動回覆", "自動答覆", "自動回復", "自動返答",
)  # fmt: skip
"""A program puts these before the subject of the mail that it answers, and a colon behind them."""
_AWAY: Final = (
    "away from my mail", "away:", "out of office:", "out of the office:", "out-of-office:", "ooo:", "[ooo]", "oof:",
    "out of office", "out of the office", "out-of-office", "i am out of", "i'm out of", "on vacation",
    "holiday reply", "on annual leave", "on leave", "abwesend", "ich bin nicht im", "außer haus", "nicht im büro",
    "urlaub:", "urlaubsabwesenheit", "réponse d'absence", "absence du bureau", "absent du bureau", "absent(e)",
    "message d'absence", "en congé", "notification d'absence", "absent :", "fuera de la oficina", "fuera de oficina",
    "ausente de la oficina", "respuesta de ausencia", "estoy de vacaciones", "fora do escritório",
    "ausência temporária", "ausência do escritório", "ausente do escritório", "fuori sede", "fuori ufficio",
    "assente dall'ufficio", "risposta non al computer", "in ferie", "assenza dall'ufficio", "niet aanwezig",
    "afwezig", "niet op kantoor", "afwezigheidsbericht", "frånvarande", "ikke til stede", "ikke på kontoret",
    "ikke til steede", "ej på kontoret", "utanför kontoret", "ute av kontoret", "fraværsassistent", "fraværende",
    "semester:", "ferie:", "på ferie", "på semester", "poissa", "olen poissa", "lomalla", "poza biurem", "nieobecny",
    "jestem na urlopie", "mimo kancelář", "mimo kanceláriu", "odpověď v nepřítomnosti", "házon kívül", "irodán kívül",
    "távol vagyok", "în afara biroului", "absent din birou", "ofis dışı", "işyeri dışında", "нет на месте",
    "отсутствие на рабочем месте", "вне офиса", "в отпуске", "поза офісом", "izvan ureda", "εκτός γραφείου",
    "מחוץ למשרד", "خارج المكتب", "ไม่อยู่ที่สำนักงาน", "tidak di kantor", "di luar pejabat", "fora de l'oficina",
    "부재중", "부재 중", "不在通知", "不在のお知らせ", "不在:", "不在：", "外出中", "不在办公室", "不在辦公室",
    "我不在", "休暇中",
)  # fmt: skip
"""A program or a person may begin a subject so."""
_NOUNS: Final = (
    "vacation", "abwesenheit", "absence", "ausencia", "ausência", "férias", "assenza", "afwezigheid", "frånvaro",
    "fravær", "poissaolo", "nieobecność", "urlop", "nepřítomnost", "neprítomnosť", "отсутствие", "odsutnost",
    "απουσία", "vắng mặt", "外出", "休假",
)  # fmt: skip
"""Alone or before a colon the same; before other words they speak of a request, or of something that is lacking."""
_ENDS: Final = (
    "is out of the office", "is out of office", "is out of the office.", "is on vacation", "is away from the office",
    "will be out of the office", "is currently out of the office", "ist außer haus", "ist nicht im büro",
    "ist abwesend", "est absent", "est absent(e)", "est absente", "è fuori ufficio", "is afwezig",
    "er ikke på kontoret", "(automatic reply)", "(auto-reply)", "(autoreply)", "[autoreply]", "[auto-reply]",
    "(out of office)",
)  # fmt: skip
_WITHIN: Final = ("is out of the office", "will be out of the office", "ist außer haus", "(autosvar)")
_ANY: Final = _AUTOMATIC + _AWAY
_FIRST: Final = frozenset(prefix[0] for prefix in (*_ANY, *_NOUNS))
_ALONE: Final = re.compile(rf"(?:{'|'.join(_NOUNS)})\s{{0,2}}(?:[:\uff1a!.,(\d\u2013-]|\Z)")
_PREFIXED: Final = re.compile(
    rf"(?:{'|'.join(map(re.escape, _AUTOMATIC))})(?:(?<=[:\]])|\w{{0,12}}\s{{0,2}}(?:[:\uff1a)\]]|\Z))"
)
_ANSWERS: Final = re.compile(
    r"\s{0,8}(?:re|aw|antw|antwort|sv|vs|ynt|odp|ref|fwd?|wg|tr|rv|enc|i|r|vb|vl|doorst|pd|回复|答复|转发|回覆|轉寄|отв|ha|atb)"
    r"\s{0,2}(?:\[\d{1,3}\]|\(\d{1,3}\))?\s{0,2}[:：]",
    re.IGNORECASE,
)
_TAG: Final = re.compile(r"\s{0,8}(?:\[[^\]]{1,30}\]|\*{2,5}[^*]{1,30}\*{2,5})\s{0,8}")


def absent(subject: str) -> bool:
    """Tell whether *subject* says, as a program or a person would, that somebody is away. "Re:" before it: no."""
    start = _start(subject)
    if start[:1] in _FIRST and (start.startswith(_ANY) or _ALONE.match(start)):
        return True
    return any(phrase in start for phrase in _WITHIN) or start.rstrip(" .").endswith(_ENDS)


def automatic_subject(subject: str) -> bool:
    """Tell whether *subject* begins as only programs begin one: with a colon. "Re:" before it: no."""
    start = _start(subject)
    return start[:1] in _FIRST and _PREFIXED.match(start) is not None


def answers(subject: str) -> bool:
    """Tell whether *subject* begins as a person's program begins that of an answer or a forward."""
    return _ANSWERS.match(subject) is not None


def _start(subject: str) -> str:
    start = subject[:200].casefold().lstrip().replace("\u2019", "'")
    if start[:1] in {"[", "*"} and not start.startswith(("[auto", "[ooo")) and (tag := _TAG.match(start)):
        start = start[tag.end() :]  # of a spam filter or a list
    return start
