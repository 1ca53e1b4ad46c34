"""The words in which mail servers say that a mail did not arrive. All in lower case, blanks single, `'` straight."""

from __future__ import annotations

from typing import Final

SUBJECTS: Final = (
    "message frozen", "forwarding or filtering", "mail bounced", "delivery has timed out", "delivery timed out",
    "delivery was not", "undelivered", "delivery aborted", "mailbox full", "over quota", "mailbox is full",
    "quota exceeded", "error sending", "mail failed", "problem sending", "not be delivered", "couldn't deliver",
    "delivery warning", "mail warning", "could not be sent", "message not sent", "mail not sent", "permanent error",
    "permanent failure", "permanent fail", "permanent delivery", "temporary error", "transient", "bounce",
    "auto-reject", "nie dostarcz", "undelivered mail", "undeliverable", "undelivered:", "undelivered message",
    "undeliverd", "delivery status notif", "delivery failure", "delivery fail", "delivery report",
    "delivery notification", "delivery status", "delivery delay", "delivery incomplete", "delivery error",
    "delivery problem", "delivery unsuccessful", "delivery has failed", "delivery to the following",
    "delivery attempt", "delivery confirmation failed", "delivery expired", "failure notice", "failure delivery",
    "failure message", "failed mail", "failed delivery", "failed message", "failed to deliver", "failed: ",
    "returned mail", "returned email", "returned message", "returned to sender", "return to sender", "mail returned",
    "message returned", "mail delivery", "mail delivery fail", "mail could not be", "mail failure",
    "mail undeliverable", "mail not delivered", "mail system error", "mail error", "mail status report",
    "mail transaction failed", "mail rejected", "message rejected", "rejected mail", "rejected: ",
    "automatically rejected", "message delivery", "message failure", "message undeliver", "message not delivered",
    "message could not be", "message blocked", "message status", "message you sent blocked", "your message to",
    "your mail to", "your email to", "warning: could not send", "warning: message", "warning - delayed",
    "warning: mail", "could not send message", "could not deliver", "couldn't be delivered", "unable to deliver",
    "unable to send", "unzustellbar", "can't deliver", "cannot deliver", "cannot send message", "email could not",
    "email delivery", "email not delivered", "e-mail delivery", "email returned", "unknown user", "user unknown",
    "recipient unknown", "invalid recipient", "no such user", "nondeliverable", "non-deliverable", "nondelivery",
    "non-delivery", "non delivery", "not delivered", "not delivered:", "address not found", "delayed mail",
    "delayed delivery", "delayed:", "message delay", "mail delay", "e-mail delayed", "nachricht konnte nicht",
    "nachricht nicht zugestellt", "zustellung fehlgeschlagen", "fehler bei der zustellung", "zustellungsfehler",
    "zustellungsbericht", "zustellbenachrichtigung", "übermittlungsfehler", "unzustellbare", "verzögert",
    "zustellung verzögert", "mail konnte nicht", "email konnte nicht", "e-mail konnte nicht", "benachrichtigung über",
    "benachrichtigung zum übermittlungs", "non remis", "échec de la remise", "echec de remise", "échec de remise",
    "échec de distribution", "message non", "avis de non", "non distribu", "retour de courrier", "remise différée",
    "rapport de non", "non délivré", "courrier non remis", "echec de la remise", "notification d'état de remise",
    "notification de non", "no se puede entregar", "no entregado", "no entregable", "no se pudo entregar",
    "error de entrega", "notificación de estado de entrega", "notificación sobre el estado", "correo devuelto",
    "mensaje no entregado", "entrega fallida", "error en la entrega", "entrega aplazada", "fallo en la entrega",
    "devolución de correo", "não é possível entregar", "não entregue", "não foi possível entregar",
    "falha na entrega", "falha de entrega", "mensagem não", "notificação de status de entrega",
    "notificação de falha", "impossível entregar", "erro de entrega", "non recapitabile", "mancato recapito",
    "mancata consegna", "impossibile recapitare", "messaggio non", "non consegnato", "notifica di mancat",
    "errore di consegna", "notifica sullo stato", "recapito non riuscito", "niet bezorgbaar", "niet bestelbaar",
    "onbestelbaar", "niet afgeleverd", "bezorging mislukt", "kan niet worden bezorgd", "niet-bestelbaar",
    "leveringsfout", "bezorgingsfout", "kan ikke leveres", "ikke leveret", "ikke levert", "kan inte levereras",
    "inte levererats", "går inte att leverera", "ej levererat", "misslyckad leverans", "mislykket levering",
    "olevererbart", "returneret", "returnerad e-post", "retur af mail", "leveringsfejl", "kunne ikke leveres",
    "ikke-leverbar", "leveransfel", "leveringsfeil", "ei voitu toimittaa", "toimitus epäonnistui",
    "ei voida toimittaa", "toimittamatta", "viestiä ei voitu", "nie można dostarczyć", "niedostarcz", "niedoręcz",
    "nie dostarczono", "błąd dostarcz", "nie została dostarczona", "zwrot poczty", "zwrot wiadomości", "nedoruč",
    "nelze doručit", "nebylo možné doručit", "nedoručiteľ", "vrácen", "kézbesíthetetlen", "kézbesítési",
    "nem kézbesíthető", "sikertelen kézbesítés", "nu se poate livra", "nelivra", "nu a fost livrat", "teslim edilem",
    "iletilemedi", "gönderilemedi", "iletim hatası", "недоставлен", "не доставлен", "невозможно доставить",
    "не удалось доставить", "ошибка доставки", "недоставк", "не может быть доставлен", "не удаётся доставить",
    "недоставка", "не вдалося доставити", "не доставлено", "недоставл", "сообщение не доставлено",
    "δεν είναι δυνατή η παράδοση", "δεν παραδόθηκε", "αποτυχία παράδοσης", "לא ניתן למסור", "לא נמסר", "תعذر",
    "تعذر التسليم", "تعذر تسليم", "لم يتم تسليم", "غير قابل للتسليم", "فشل تسليم", "không thể gửi", "không gửi được",
    "tidak terkirim", "tidak dapat dikirim", "ไม่สามารถส่ง", "배달 불가", "배달되지 않", "전송 실패", "반송",
    "전달 실패", "발송 실패", "메일 전송", "配信不能", "配信できません", "配信に失敗", "配送エラー", "配信エラー",
    "送信エラー", "エラー通知", "不達", "未配信", "返送", "宛先不明", "配送不能", "送信できません", "无法送达",
    "无法投递", "退信", "系统退信", "未送达", "投递失败", "发送失败", "無法傳遞", "無法傳送", "無法投遞", "退件",
    "寄送失敗", "退回", "傳送失敗", "无法传递", "nem sikerült kézbesíteni", "neuspješ", "neisporu", "nedostavljeno",
    "недоставена", "не може да бъде доставено", "ошибка при доставке",
)  # fmt: skip
"""In a subject: mails that were not delivered, or not yet."""

FAILED: Final = (
    "recipients failed", "recipient failed", "could not be delivered", "couldn't be delivered",
    "can not be delivered", "cannot be delivered", "can't be delivered", "not been delivered", "was not delivered",
    "wasn't delivered", "were not delivered", "weren't delivered", "not delivered to", "not delivered",
    "undeliverable", "undelivered", "unable to deliver", "unable to relay", "wasn't able to deliver",
    "was unable to deliver", "were unable to deliver", "not able to deliver", "could not deliver", "couldn't deliver",
    "cannot deliver", "can't deliver", "failed to deliver", "delivery failed", "delivery has failed",
    "delivery to the following", "delivery of the following", "delivery fail", "delivery error", "delivery problem",
    "problem delivering", "trouble delivering", "problems delivering", "permanent fatal", "permanently failed",
    "failed permanently", "did not reach", "could not be reached", "did not receive", "was not sent",
    "has been returned", "is being returned", "was returned", "returned to sender", "returned message",
    "message returned", "has been rejected", "rejected your message", "rejected recipient", "message rejected",
    "automatically rejected", "delivery refused", "no valid recipients", "recipients were affected",
    "failed recipient", "failed address", "failed addresses", "address(es) failed", "addresses failed",
    "address failed", "delivery problems", "non-delivered", "non-delivery", "message delivery problem",
    "problem with the e-mail address", "message blocked", "wasn't sent", "message not sent", "message failed",
    "unsuccessful delivery", "has been removed from the mail queue", "nicht zugestellt", "nicht übermittelt",
    "nicht ausgeliefert", "unzustellbar", "nicht erreich", "nicht weitergeleitet", "nicht versendet",
    "unbekannter empfänger", "empfänger unbekannt", "nicht zustellen", "n'a pas été remis", "non remis",
    "échec de la remise", "impossible de remettre", "n'a pas été distribué", "n'est pas parvenu",
    "ne peut être remis", "n'a pas atteint", "no fue entregado", "no ha llegado", "error en la entrega",
    "no ha sido entregado", "no se entregó", "não foi entregue", "não é possível entregar", "não chegou",
    "falha na entrega", "non recapitat", "impossibile recapitare", "non è stato recapitato", "non consegnat",
    "non è stato consegnato", "non ha raggiunto", "mancato recapito", "niet afgeleverd", "niet bezorgd",
    "niet bereikt", "onbestelbaar", "kan ikke leveres", "ikke leveret", "ikke levert", "nådde ikke",
    "kan inte levereras", "inte levererats", "nådde inte", "ei toimitettu", "ei saavuttanut", "nie dotarła",
    "niedostarczon", "nelze doručit", "nebyla doručena", "nebylo doruč", "nedorazil", "nedoruč", "nem kézbesít",
    "kézbesíthetetlen", "nu a fost livrat", "teslim edilemedi", "iletilemedi", "gönderilemedi", "ulaştırılamadı",
    "не доставлено", "не может быть доставлен", "не было доставлено", "не удалось доставить", "невозможно доставить",
    "не був доставлений", "недоставлен", "не доставлен", "δεν παραδόθηκε", "לא נמסר", "لم يتم تسليم",
    "không gửi được", "배달하지 못", "배달되지", "전송하지 못", "전송되지", "반송", "配信できません",
    "配信されません", "配信に失敗", "届けることができません", "お届けできません", "送信できません", "届きません",
    "送信されません", "配送できません", "无法送达", "无法投递", "无法发送", "退信", "未能送达",
)  # fmt: skip
"""In a notice: a mail did not arrive."""

REASONS: Final = (
    "user unknown", "unknown user", "unknown recipient", "recipient unknown", "no such user", "user not known",
    "no such address", "no such recipient", "user doesn't exist", "does not exist", "doesn't exist", "not listed in",
    "invalid recipient", "mailbox unavailable", "mailbox is full", "mailbox full", "over quota", "quota exceeded",
    "exceeded storage", "address not found", "couldn't be found", "wasn't found", "host unknown", "unknown host",
    "unroutable", "unrouteable", "unknown address", "unknown local", "invalid address", "mailbox disabled",
    "account is disabled", "account has been disabled", "not a valid", "exceeds allowed size", "has been blocked",
    "was blocked", "errors occurred", "error occurred", "following errors", "following address", "fatal error",
    "fatal errors", "is rejected", "been rejected", "was rejected", "were rejected", "was refused",
    "has been refused", "may not exist", "bounced", "no longer accept", "not accept", "is full", "disabled",
    "not known", "no mailbox", "was discarded", "not allowed", "access denied", "relay denied", "relaying denied",
    "unsuccessful", "not found", "not valid", "is invalid", "invalid mailbox", "no longer active", "not a member",
    "couldn't be completed", "session failed", "transaction failed", "ha fallado", "falhou", "a échoué",
    "fehlgeschlagen", "is mislukt", "mislykkedes", "mislyktes", "misslyckades", "epäonnistui", "başarısız",
    "не удалось", "не существует", "не найден", "απέτυχε", "נכשל", "فشل", "gagal", "실패", "존재하지 않", "エラー",
    "存在しません", "見つかりません", "不明", "失败", "不存在", "無法", "失敗", "未能", "kunne ikke", "kunde inte",
    "gick inte att", "ei voitu", "ei voida", "nie mogła", "nie można", "nie powiodło", "nie udało", "nie została",
    "nie zostało", "nemohla být", "nebylo možné", "nem sikerült", "sikertelen", "nu a putut", "nu s-a putut",
    "kon niet", "kan niet worden", "non può essere", "non è stato possibile", "não pode ser", "não pôde ser",
    "não foi possível", "não puderam", "no se pudo", "no se ha podido", "no pudo ser", "no ha podido ser",
    "n'ont pas pu", "n'a pas pu être", "n'a pas pu etre", "n'a pu être", "לא ניתן", "không thể", "tidak dapat",
    "ไม่สามารถ", "δεν είναι δυνατή", "δεν ήταν δυνατή", "не вдалося", "تعذر", "utilisateur inconnu",
    "adresse inconnue", "usuario desconocido", "usuário desconhecido", "utente sconosciuto", "permanent error",
    "permanent failure", "this is a permanent", "will not try", "unable to send", "could not send", "failed to send",
    "could not be sent", "couldn't be sent", "not be sent to", "gave up", "giving up", "given up", "was stopped",
    "was aborted", "considered unsolicited", "error sending", "mailbox for user is full", "no se puede entregar",
    "보낼 수 없", "拒收", "退回",
)  # fmt: skip
"""In a notice: why a mail would not arrive, or that something failed; said of other things, too."""

LATE: Final = (
    "advisory-only", "advisory only", "has been postponed", "just a warning", "only a warning", "re-attempted",
    "temporary failure report", "is only temporary", "not failed yet", "has not failed", "yet to be delivered",
    "will attempt to deliver", "will attempt to send", "will attempt to re", "we will keep", "retrying for",
    "will be tried again", "will be made again",
    "attempt delivery again", "being retried", "warning message only", "do not need to resend",
    "don't need to resend", "need not resend", "no need to resend", "will keep trying", "will continue trying",
    "will continue to try", "will continue to be", "keep on trying", "continue to retry", "attempts will continue",
    "will be retried", "will be retrying", "still being retried", "still trying", "will retry", "will try again",
    "we'll keep trying", "will be attempted again", "will try to deliver", "not yet been delivered",
    "hasn't been delivered yet", "has not been delivered yet", "not been delivered yet", "could not be delivered yet",
    "delivery is delayed", "has been delayed", "have been delayed", "was delayed", "is delayed",
    "been temporarily delayed", "being delayed", "delivery delayed", "delivery incomplete", "delayed mail",
    "could not send message for past", "could not be delivered for more than", "has not been delivered for",
    "delivery delay", "(delay)", "delayed: ", "status notification (delay", "notification (delay)",
    "transient non-fatal", "temporary non-fatal", "non-fatal errors", "remains in the queue", "still in the queue",
    "is still queued", "message delayed", "will keep attempting", "retry period has not",
    "delivery of your message has been postponed", "will be resent", "no need to send again", "weiterhin versucht",
    "erneut versucht", "verzögert", "noch nicht zugestellt", "weiter versuch", "wird wiederholt", "a été retardé",
    "remise différée", "pas encore été remis", "est retardé", "tentatives se poursuiv", "est différé", "sera retenté",
    "continuera à essayer", "continuera d'essayer", "se ha retrasado", "se ha demorado", "aún no se ha entregado",
    "se seguirá intentando", "todavía no se ha entregado", "entrega se ha aplazado", "está atrasada", "foi adiada",
    "ainda não foi entregue", "está sendo atrasada", "continuará tentando", "está ritardando", "è in ritardo",
    "non è ancora stato", "continuerà a", "è stata ritardata", "is vertraagd", "nog niet bezorgd",
    "nog niet afgeleverd", "opnieuw geprobeerd", "er forsinket", "blevet forsinket", "är försenad", "har fördröjts",
    "har försenats", "ännu inte levererats", "viivästynyt", "opóźnion", "jeszcze nie została", "zpožděn", "zpoždění",
    "ještě nebyl", "késik", "késleltet", "întârzi", "gecikti", "ertelendi", "задержана", "отложена",
    "ещё не доставлено", "еще не доставлено", "будут продолжены", "повторит", "затримано", "καθυστέρη", "مؤجل",
    "تأخر", "지연", "다시 시도", "遅延", "遅れて", "再試行", "再送を試み", "延迟", "延遲", "继续尝试", "再次尝试",
    "繼續嘗試", "重试", "重試",
)  # fmt: skip
"""In a notice or subject: the server has not given up. Looked for before FAILED."""

PASSED: Final = (
    "we have received your", "has been received", "abuse report", "feedback-type:", "complaint about",
    "successfully delivered", "successfully relayed", "was delivered to", "successful delivery",
    "has been delivered to", "delivered successfully", "successfully sent", "erfolgreich zugestellt",
    "remis avec succès", "entregado correctamente", "was successfully", "have been relayed", "has been relayed",
    "delivery confirmation", "your message was read",
)  # fmt: skip
"""In a notice: the mail arrived, or went on."""

PASSED_TITLES: Final = (
    "(success", "successful mail", "successful deliv", "successfully", "return receipt", "(relay", "relayed: ",
    "delivered: ", "delivery receipt",
)  # fmt: skip
"""In a subject: the mail arrived, or went on. Not behind "un"."""

DIGESTS: Final = (
    "quarantin",
    "quarantän",
    "cuarentena",
    "карантин",
    "隔離",
    "隔离",
    "spam digest",
    "spam report",
    "held messages",
)
"""In a notice without a title of failure: it tells of mails that somebody else sent."""

RETURNED_MARKED: Final = (
    "original message", "original mail", "unsent message", "message header", "returned m", "message follows",
    "non-delivered mail", "undelivered m", "message text", "this is a copy", "below this line", "start of returned",
    "enclosed is a copy", "enclosed are the original", "forwarded message", "message body", "message d'origine",
    "ursprüngliche nachricht", "originalnachricht", "mensaje original", "mensagem original", "messaggio originale",
    "oorspronkelijk bericht", "oprindelig meddelelse", "the header of the original", "original headers",
    "failed message", "the body of the message", "headers of the", "received headers", "the original message",
    "the first ", "copy of ", "原始邮件", "原邮件", "元のメッセージ", "исходное сообщение", "оригинал",
)  # fmt: skip
"""Behind the marks of a line (dashes, stars): what follows is the returned mail."""

RETURNED: Final = (
    "this is a copy of", "below this line is a copy", "original message follows", "below is a copy of",
    "here is a copy of", "unsent message follows", "original message headers:", "original headers:",
    "the original message was:", "message header follows", "message headers follow", "returned message follows",
    "included is a copy of", "the headers of the original", "the header of the original",
    "your original message follows", "the following is a copy", "a copy of your message", "a copy of the original",
    "text of your message", "headers of the original message", "the text of the original", "the first lines of the",
)  # fmt: skip
"""The same at the beginning of any line."""

GREETINGS: Final = (
    "hi ", "hi,", "hi!", "hello ", "hello,", "hello!", "good morning", "good afternoon", "good evening", "hey ", "hey,",
    "hallo ", "hallo,", "guten ", "moin", "bonjour", "salut", "hola", "buenos ", "buenas ", "ciao", "buongiorno",
    "olá", "bom dia", "boa tarde", "goedemorgen", "goedemiddag", "beste ", "hej ", "hej,", "hei ", "hei,",
    "cześć", "dzień dobry", "ahoj", "dobrý den", "здравствуйте", "добрый день", "привет", "добрий день", "merhaba",
)  # fmt: skip
"""How people begin, and hardly a server that has a person's name."""
