"""The words of separators and of the prefixes of subjects, in 45 languages."""

from __future__ import annotations

from typing import Final

FORWARD: Final = (
    "forward|fwd message|weitergeleit|weiterleitung|transféré|transférer|réexpédi|faire suivre|reenvi|"
    "message transmis|mail transmis|courriel transmis|reencaminhad|encaminhad|inoltrat|inoltro|doorgestuur|"
    "doorgezonden|doorsturen|vidarebefordr|videresend|vidaresend|välitet|edelleenlähet|framsen|áframsen|przekaz|"
    "przesłan|přeposl|přeposíl|přesměrov|preposl|preposiel|továbbít|redirecțion|redirecţion|redirectionat|"
    "proslijeđ|prosleđ|prosljeđ|проследјен|прослеђ|posredov|препратен|препращ|пересыл|пересил|пересла|перенаправ|"
    "переадрес|перасла|προωθ|ileti başlangıc|iletil|yönlendir|הועבר|מועבר|המועבר|שהועבר|توجيه|محول|محوّل|بازارسال|"
    "هدایت شده|فوروارد|转发|轉寄|轉發|転送|전달|ส่งต่อ|chuyển tiếp|diteruskan|terusan|dimajukan|edastat|pārsūt|persiųst|"
    "peradres|reenviat|birbidal|përcjell|anfonwyd ymlaen|अग्रेषित|перанакір|curtha ar aghaidh|sposrědk|"
    "trochstjoerd|бағыттал|yönləndir|reunvi|געפֿאָרווערט"
)
"""Stems of what announces a forward."""

ORIGINAL: Final = (
    "origin|ursprüng|originale|oorspronkelijk|oprindelig|opprinnelig|ursprunglig|alkuperäi|upprunaleg|oryginaln|"
    "pierwotn|původní|pôvodn|eredeti|izvorn|izvirn|оригинал|исходн|первоначальн|вихідн|початков|απόσπασμα|αρχικ|"
    "orijinal|özgün|מקורי|الأصلي|اصلی|原始|原邮件|原郵件|原文|元の|원본|ต้นฉบับ|thư gốc|gốc|pesan asli|asli|asal|algne|"
    "originaal|sākotn|pirmin|jatorriz|받은 메일|reply message|replied message|回复的原邮件|回复的原郵件"
)
"""Stems of what announces the mail that is answered or passed on."""

BARE: Final = (
    "forwarded message, this is a forwarded message, forwarded email, forwarded mail, forwarded conversation, "
    "original message, original email, weitergeleitete nachricht, weitergeleitete e-mail, "
    "ursprüngliche nachricht, message transféré, message original, message d'origine, mensaje reenviado, "
    "mensaje original, mensagem encaminhada, mensagem original, messaggio inoltrato, messaggio originale, "
    "doorgestuurd bericht, oorspronkelijk bericht, vidarebefordrat meddelande, videresendt besked, "
    "videresendt melding, przekazana wiadomość, пересылаемое сообщение, 转发的邮件, 原始邮件"
)
"""Phrases that some programs write without dashes."""

TITLES: Final = (
    "fw, fwd, forward, forwarded, wg, weitergeleitet, tr, trans, transf, transféré, transfert, rv, reenv, renv, "
    "reenviado, i, inoltra, inoltrato, enc, encaminhada, encaminhado, vs, vb, vl, doorst, doorgestuurd, pd, "
    "przekazano, podaj dalej, redir, redir., videresend, videresendt, vidarebefordrat, välitetty, ilt, iletilen, "
    "továbbítás, tov, továbbítva, пересл, пересл., пересылка, переслано, пересылаемое, áfr, trs, πρθ, προωθ, fs, "
    "yml, přeposl, přeposláno, preposlané, prosl, proslijeđeno, prosleđeno, posredovano, препр, препратено, "
    "pārs, pārsūtīts, persiųsta, pers, edasi, edastatud, ed, birbidalia, 转发, 轉寄, 轉發, 転送, 전달, fwd., fw., "
    "הועבר, העברה, إعادة توجيه, إعادة إرسال, توجيه, بازارسال, هدایت, ส่งต่อ, chuyển tiếp, teruskan, terusan, majukan"
)
"""Prefixes of forwards."""

ANSWERS: Final = (
    "re, r, aw, antw, antwort, sv, vs, svar, rif, res, resp, odp, ynt, yanıt, vá, válasz, atb, ref, bls, balas, "
    "απ, σχετ, на, ha, отв, ответ, відп, відповідь, vast, vastaus, rép, réf, răsp, odg, ats, 回复, 回覆, 答复, 返信, "
    "회신, 답장, رد, השב, תגובה, trả lời, ตอบกลับ"
)
"""Prefixes of answers."""

END: Final = (
    r"(?:end|ende|fin|fine|fim|slut|slutt|einde|loppu|koniec|konec|конец|завершение|кінець|край|τέλος|sonu|son|"
    r"結束|结束|終わり|끝|sfârșit|vége|kraj|final|final del|fi)\b"
)
"""Regular expression of what begins a line that ends a forward."""
