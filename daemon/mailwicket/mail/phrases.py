"""By which words mail programs show that what follows, or what stands above, is not the writer's own.

One line a language and kind, phrases between commas:

- `wrote`: the word that stands in the line above a quote ("On Monday Ada wrote:");
- `opens`: how such a line begins, where it does not begin with a date or a name;
- `I`: who speaks of himself is no mail program;
- `between`: how people announce that they answer within a quote whose lines bear no marks;
- `original`: what stands between dashes above a mail that is quoted whole;
- `device`: lines that a program adds below a mail; `*` stands for a name of a thing or a program.
"""

# ruff: noqa: RUF001 - the letters of all scripts are meant

from __future__ import annotations

from typing import Final

TABLE: Final = """
en I: i, we
de I: ich, wir
fr I: j, nous
es I: yo, nosotros
it I: io, noi
nl I: ik, wij
sv I: jag, vi
nb I: jeg
pt I: eu, nós
pl I: ja, my
ru I: я, мы
en between: inline, in line, in-line, in red, in blue, in green, in purple, in bold, in capitals, between the lines
en between: interspersed
de between: inline, im text, in rot, in blau, in grün, zwischen den zeilen, rot markiert, blau markiert, fett markiert
de between: farbig
fr between: en rouge, en bleu, en vert, en gras, dans le texte, entre les lignes, dans le corps du message
es between: en rojo, en azul, en verde, en negrita, entre líneas, en el texto
it between: in rosso, in blu, in verde, in grassetto, nel testo, tra le righe
nl between: in rood, in het rood, in blauw, in het blauw, in groen, in de tekst, tussen de regels
pt between: em vermelho, em azul, em verde, em negrito, no texto
pl between: na czerwono, na niebiesko, na zielono, w tekście
ru between: красным, синим, зелёным, в тексте, между строк
sv between: i rött, i blått, i texten, mellan raderna
en wrote: wrote, writes, quoting
en opens: on, at, quoting, message from, from
en original: original message, original message follows, original mail, original e-mail, original email, original
en original: reply message, replied message, original appointment, quoted message, previous message
en original: reply to original message, original letter
en device: sent on the sprint*, sent from my *, sent from *, sent via *, sent using *, sent with *, get outlook for *
en device: send from my *, sent from a * device, sent on the go, sent on the go from *, sent while mobile
en device: sent from phone, sent securely with *, sent securely from *, secured with *, via newton mail, sent on my *
en device: virus-free. *, this email has been checked for viruses by *, download outlook for *, powered by *
en device: sent from front
af wrote: geskryf, skryf
af opens: op
af original: oorspronklike boodskap
af device: gestuur vanaf my *, gestuur van my *
ar wrote: كتب, كتبت, كتابة, كتبه, يكتب
ar opens: في, بتاريخ, يوم
ar original: الرسالة الأصلية, رسالة أصلية
ar device: أرسلت من *, أُرسلت من *, تم الإرسال من *, مرسل من *, مرسلة من *, أرسل من *, الحصول على outlook لـ *
az wrote: yazdı, yazıb
az original: orijinal mesaj
az device: * göndərildi
be wrote: напісаў, напісала, піша
be original: зыходнае паведамленне
be device: адпраўлена з *
bg wrote: написа, написал, написала, пише, писа, напиша
bg opens: на, в
bg original: оригинално съобщение, първоначално съобщение, изходно съобщение, оригинално писмо
bg device: изпратено от *, изпратен от *, изпратена от *, вземете outlook за *
bn wrote: লিখেছেন, লিখেছে
bs wrote: napisao, napisala, piše
ca wrote: escriure, escrigué, escrit, escriu
ca opens: el, missatge de, en, al
ca original: missatge original, missatge d'origen
ca device: enviat des del meu *, enviat des de *, enviat des del *, enviat amb *, obteniu outlook per a *, enviat de *
cs wrote: napsal, napsala, psal, psala, napsáno, píše, odesílatel
cs opens: dne, dňa, v, citování
cs original: původní zpráva, původní e-mail, původní email, původní mail, originální zpráva
cs device: odesláno z *, odesláno ze *, posláno z *, odesláno pomocí *, odesláno přes *, získat outlook pro *
cy wrote: ysgrifennodd
cy opens: ar
cy device: anfonwyd o *
da wrote: skrev, skriver, skrevet
da opens: den, d., på, citat
da original: oprindelig meddelelse, original meddelelse, oprindelig besked, oprindelig mail, den oprindelige besked
da device: sendt fra min *, sendt fra mit *, sendt fra *, sendt med *, sendt via *, hent outlook til *, send fra min *
de wrote: schrieb, geschrieben, schreibt, schrieben, hat geschrieben
de opens: am, vom, zitat von, zitiere, nachricht von
de original: antwort nachricht, ursprüngliche nachricht, original-nachricht, originalnachricht, original nachricht
de original: urspruengliche nachricht, ursprüngliche mail, ursprüngliche e-mail, originalmail, ursprünglicher termin
de original: ursprüngl. nachricht
de device: mobil gesendet, von meinem * gesendet, von meiner * gesendet, von meinen * gesendet, gesendet von *
de device: gesendet mit *, gesendet über *, diese nachricht wurde von meinem * gesendet, outlook für * herunterladen
de device: gesendet aus *, holen sie sich outlook für *, outlook für * beziehen, von * gesendet, mit * gesendet
de device: virenfrei. *, virenfrei.*, gesendet mit der * app, unterwegs gesendet, von unterwegs gesendet
de device: diese e-mail wurde von * auf viren geprüft
de device: versendet mit *, verschickt mit *, laden sie outlook für *
el wrote: έγραψε, έγραψαν, γράφει, γραψε
el opens: στις, στίς, την, τη, το
el original: αρχικό μήνυμα, πρωτότυπο μήνυμα, αρχικο μηνυμα, μήνυμα
el device: στάλθηκε από *, εστάλη από *, αποστολή από *, απεστάλη από *, λήψη του outlook για *, στάλθηκε με *
eo wrote: skribis
es wrote: escribió, escribio, escribe, escrito, escribía
es opens: el, en, citando a, citando, de, mensaje de
es original: mensaje original, correo original, mensaje de origen, mensaje orginal, mensaje anterior
es device: enviado desde mi *, enviado desde *, enviado de mi *, enviado con *, enviado por *, enviado mediante *
es device: obtener outlook para *, enviado vía *, libre de virus. *, enviado a través de *, obtén outlook para *
es device: este correo electrónico ha sido comprobado en busca de virus por *
es device: descargar outlook para *
et wrote: kirjutas, kirjutanud, kirjutab
et original: algne sõnum, originaalkiri, algne kiri, originaalsõnum
et device: saadetud minu *, saadetud *, outlooki hankimine *
eu wrote: idatzi, zuen, idatzi du
eu original: jatorrizko mezua
eu device: nire * bidalia, nire * bidalita, * bidalia, * bidalita
fa wrote: نوشت, نوشته, نوشتند
fa opens: در, در تاریخ
fa original: پیام اصلی, پیغام اصلی
fa device: ارسال شده از *, فرستاده شده از *, ارسال از *
fi wrote: kirjoitti, kirjoittaa, kirjoittanut
fi original: alkuperäinen viesti, alkuperäinen sähköposti
fi device: lähetetty *, hanki outlook *, lähettänyt *, lähetin tämän *
fr wrote: écrit, ecrit, écrivait, écrivit
fr opens: le, en date du, au, selon, citation de, du, message du, à
fr original: message d'origine, message original, message initial, courriel original, message d’origine
fr original: e-mail d'origine, mail original, message précédent, courrier d'origine
fr device: envoyé de mon *, envoyé depuis mon *, envoyé depuis ma *, envoyé depuis *, envoyé à partir de *
fr device: envoyé avec *, envoyé par *, envoyé via *, télécharger outlook pour *, obtenir outlook pour *
fr device: envoyé à partir d'outlook *, garanti sans virus. *, provenance : *, envoyé de ma *
fr device: téléchargez outlook pour *, envoyé du *, sans virus.*, envoyé d'*, envoyé depuis l'*
fr device: l'absence de virus dans ce courrier électronique a été vérifiée par *
ga wrote: scríobh
ga opens: ar
gl wrote: escribiu, escribía
gl opens: o, en
gl original: mensaxe orixinal
gl device: enviado dende o meu *, enviado dende *, enviado desde o meu *
he wrote: כתב, כתבה, כתבו, כותב, כתב/ה
he opens: בתאריך, ביום, מאת, ב
he original: הודעה מקורית, ההודעה המקורית, הודעה המקורית
he device: נשלח מה-*, נשלח מ-*, נשלח מ *, נשלח מה*, נשלח מ*, נשלח באמצעות *, קבל את outlook עבור *
he device: השג את outlook עבור *
hi wrote: लिखा, लिखता
hr wrote: napisao, napisala, piše, napisano
hr opens: dana, dne, u
hr original: izvorna poruka, originalna poruka, izvorni e-mail, izvorna e-pošta
hr device: poslano s *, poslano sa *, poslano iz *, poslano putem *, nabavite outlook za *, poslao *
hu wrote: írta, irta, ír, írt
hu original: eredeti üzenet, eredeti levél, az eredeti üzenet, eredeti e-mail
hu device: elküldve *, küldve *, * küldve, * elküldve, elküldve a *, az outlook beszerzése *, az én * küldtem
hu device: vírusmentes. *
hy wrote: գրել, գրեց
id wrote: menulis, tulis, menulis sebagai
id opens: pada, pada tanggal, tanggal
id original: pesan asli, pesan awal, surel asli
id device: dikirim dari *, dikirimkan dari *, terkirim dari *, dapatkan outlook untuk *, dikirim dengan *
id device: dikirim melalui *
is wrote: skrifaði, ritaði, skrifar
is opens: þann, á, hinn
is original: upprunaleg skilaboð, upphafleg skilaboð, upprunalegur póstur, upprunalegt skeyti
is device: sent úr *, sent frá *, sent með *
it wrote: scritto, scrisse, scrive, scriveva
it opens: il, in data, citando, quotando, da, nel
it original: messaggio originale, messaggio di origine, messaggio originario, mail originale
it device: inviato da *, inviato dal *, inviato dalla *, inviato con *, inviato tramite *, scarica outlook per *
it device: ottieni outlook per *, inviata da *, spedito da *, mandato da *, privo di virus. *, inviato dallo *
it device: mail priva di virus. *, questa e-mail è stata controllata per individuare virus con *
ja original: 元のメッセージ, オリジナルメッセージ, 元のメール, original message, 転送元メッセージ, 返信元メッセージ
ja device: *から送信, *からの送信, *より送信, *から送信しました, *から送信されました, *を入手, outlook for * を入手
ka wrote: დაწერა, წერდა
ka device: გამოგზავნილია *
kk wrote: жазды
ko original: 원본 메시지, 원본 메일, 메시지 원본, 원본메시지, 원래 메시지, 원문 메시지, 원본 메세지, 보낸 메시지
ko device: *에서 보냄, *에서 보냈습니다, *에서 전송, *에서 전송됨, *으로 보냄, *로 보냄, *에서 발송, * 보내기
ko device: *에서 보낸 메일, *에서 보낸 메시지
lt wrote: rašė, parašė, rašo, rašyta
lt original: originalus laiškas, pradinis pranešimas, pirminis laiškas, originalus pranešimas, pradinis laiškas
lt device: išsiųsta iš *, siųsta iš *, išsiųsta naudojant *, išsiųstas iš *
lv wrote: rakstīja, raksta, rakstījis
lv original: sākotnējais ziņojums, oriģinālais ziņojums, sākotnējā vēstule, oriģinālā vēstule
lv device: nosūtīts no *, sūtīts no *, nosūtīts, izmantojot *
mk wrote: напиша, напишал, напишала, пишува
mk original: оригинална порака
mk device: испратено од *
mn wrote: бичсэн, бичив
ms wrote: menulis, tulis
ms opens: pada
ms original: mesej asal
ms device: dihantar daripada *, dihantar dari *
nb wrote: skrev, skriver, skreiv
nb opens: den, på, kl.
nb original: opprinnelig melding, original melding, opprinnelig e-post, opprinneleg melding, opprinnelig beskjed
nb device: sendt fra min *, sendt fra mitt *, sendt fra *, sendt med *, få outlook for *, hent outlook for *
nb device: skaff deg outlook for *
nl wrote: schreef, geschreven, schrijft, schreven
nl opens: op, citeren, quoting, bericht van, aldus
nl original: oorspronkelijk bericht, origineel bericht, oorspronkelijke bericht, oorspronkelijke e-mail
nl original: oorspronkelijk e-mailbericht
nl device: verzonden vanaf mijn *, verzonden vanaf *, verstuurd vanaf mijn *, verstuurd vanaf *, verzonden met *
nl device: verstuurd met *, verzonden via *, outlook voor * downloaden, download outlook voor *, verzonden van mijn *
nl device: verstuurd via *, outlook voor * ophalen, virusvrij. *, virusvrij.*, gestuurd vanaf *, verzonden door *
nl device: dit e-mailbericht is gecontroleerd op virussen met *
nl device: verzonden uit *, verkrijg outlook voor *
pl wrote: napisana, napisał, napisała, pisze, napisali, napisano, pisał, pisała, użytkownik
pl opens: w dniu, dnia, dn., cytowanie, cytat, wiadomość od
pl original: oryginalna wiadomość, wiadomość oryginalna, wiadomość pierwotna, oryginalny list, oryginalna wiadomosc
pl original: treść oryginalnej wiadomości, wiadomość źródłowa
pl device: wysłano z *, wysłane z *, wysłany z *, wysłano za pomocą *, wysłana z *, wiadomość wysłana z *
pl device: pobierz outlook dla *, wysłano ze *, wysłane ze *, wolny od wirusów. *, wolne od wirusów.*
pl device: uzyskaj outlook dla *, pobierz program outlook dla *
pt wrote: escreveu, escrito, escreve, escrevia
pt opens: em, no dia, a, citando, citação de, de, mensagem de, aos, na
pt original: mensagem original, mensagem de origem, mensagem anterior, e-mail original
pt device: enviado do meu *, enviado de meu *, enviado a partir do meu *, enviado do *, enviado via *, enviado pelo *
pt device: enviado com *, obter o outlook para *, enviado através do *, obtenha o outlook para *, livre de vírus. *
pt device: sem vírus. *, enviado da minha *, enviado pelo meu *, enviado de *, baixar o outlook para *
pt device: enviada do meu *, enviado usando *
ro wrote: scris, scrie, scrisese
ro opens: în, pe, la, în data de, pe data de, in data de
ro original: mesaj original, mesajul original, mesaj inițial, mesajul inițial, mesaj iniţial
ro device: trimis de pe *, trimis din *, trimis de la *, trimis cu *, trimis prin *, obțineți outlook pentru *
ro device: descărcați outlook pentru *
ru wrote: писали, написал, написала, пишет, писал, писала, написали, написано
ru opens: от, в, цитирую, сообщение от
ru original: исходное сообщение, оригинальное сообщение, исходное письмо, первоначальное сообщение
ru original: начало цитируемого сообщения, пересылаемое письмо, пересланное письмо, ответ на сообщение
ru original: конец исходного сообщения
ru device: отправлено с *, отправлено из *, отправлено от *, отправлено через *, послано с *, отправлено со *
ru device: скачать outlook для *, получить outlook для *, скачайте outlook для *, без вирусов. *
ru device: отправлено мобильной *, отправлено в *
sk wrote: napísal, napísala, písal, písala, píše, odosielateľ
sk opens: dňa, dna, v, dne
sk original: pôvodná správa, originálna správa, pôvodný e-mail, pôvodný email
sk device: odoslané z *, odoslané zo *, odoslané pomocou *, poslané z *, odoslané cez *, získať outlook pre *
sl wrote: napisal, napisala, piše, pisal, pisala, napisal/a
sl opens: dne, v, v v
sl original: izvorno sporočilo, izvirno sporočilo, originalno sporočilo, prvotno sporočilo
sl device: poslano z *, poslano iz *, poslano prek *, poslano s *
sq wrote: shkroi, shkruar, shkruajti, shkruan
sq opens: më, në
sq original: mesazhi origjinal, mesazh origjinal
sq device: dërguar nga *, derguar nga *
sr wrote: написао, написала, пише, писао, писала, napisao, napisala, piše, pisao
sr opens: дана, дне, dana, dne
sr original: оригинална порука, изворна порука, originalna poruka, izvorna poruka, првобитна порука, prvobitna poruka
sr device: послато са *, послато из *, poslato sa *, poslato iz *, poslato s *, poslato pomoću *
sv wrote: skrev, skriver, skrivit
sv opens: den, citerar, på
sv original: ursprungligt meddelande, originalmeddelande, ursprungligt mail, ursprungligt brev
sv original: ursprungligt e-postmeddelande, vidarebefordrat brev, ursprungligt e-brev, ursprungligt mejl
sv device: skickat från min *, skickat från mitt *, skickat från *, skickat med *, skickas från *, skickades från *
sv device: hämta outlook för *, sänt från min *, sänt från *, skaffa outlook för *, virusfritt. *, skickat via *
sw wrote: aliandika, ameandika
sw opens: mnamo, tarehe
ta wrote: எழுதியது, எழுதினார்
th opens: ในวันที่, เมื่อวันที่, เมื่อ, วันที่
th original: ข้อความต้นฉบับ, ข้อความเดิม, อีเมลต้นฉบับ
th device: ส่งจาก *, ส่งจาก*, ส่งมาจาก *, ส่งโดยใช้ *, รับ outlook สำหรับ *
tl wrote: sumulat, sinulat, isinulat, nagsulat
tl opens: noong, nang
tr wrote: yazdı, yazdi, yazmış, yazıyor, tarihinde
tr original: orijinal mesaj, özgün ileti, orjinal mesaj, orijinal ileti, asıl ileti, özgün mesaj, orijinal e-posta
tr device: * gönderildi, * gönderilmiştir, * gönderdim, * edinin, * gönderilmiş, * gonderildi
uk wrote: написав, написала, пише, писав, писала, написали, написано
uk opens: від, в, у
uk original: вихідне повідомлення, оригінальне повідомлення, початкове повідомлення, початковий лист
uk original: оригінал повідомлення
uk device: надіслано з *, надіслано із *, відправлено з *, відправлено із *, надіслано зі *, надіслано через *
uk device: завантажте outlook для *
vi wrote: viết
vi opens: vào, ngày, lúc, vào lúc, vào ngày
vi original: thư gốc, tin nhắn gốc, thông điệp gốc, thư ban đầu, tin gốc
vi device: đã gửi từ *, gửi từ *, được gửi từ *, được gửi bằng *, tải outlook cho *, nhận outlook cho *
zh original: 原始邮件, 原邮件, 回复的原邮件, 原始郵件, 原始訊息, 原始信件, 原始消息, 回复的邮件, 回覆的原始郵件
zh original: 转发邮件信息, 原始郵件內容
zh device: 来自 *, 使用*发送, 发自我的*, 從我的*傳送, 从我的*发送, 寄自我的*, 發自我的*, 发自*, 来自我的*, 从*发送
zh device: 傳送自我的*, 傳送自 *, 從我的 * 傳送, 用*发送, 从 windows 版*, 获取*, 下载适用于*, 取得 * 版 outlook
zh device: 发送自*, 來自我的*, 由*发送
"""

JOINED_WROTE: Final = (
    "写道", "寫道", "のメール", "のメッセージ", "님이 작성", "님이 쓴 글", "님 작성", "님이 쓰신", "작성했습니다",
    "書きました", "さんは書", "เขียนว่า", "เขียน:", "さんから", "来信", "的來信", "さんwrote",
)  # fmt: skip
"""The same as `wrote`, in scripts that put no blanks between words."""

ADDRESSED: Final = (
    "reply above this line", "reply directly above this line", "do not write below this line",
    "type your reply above", "do not type below this line", "do not edit below this line", "write your reply above",
    "reply above this email", "reply to this email above", "please type your reply above this line",
    "reply above the line", "your reply above this line", "respond above this line", "replies above this line",
    "write above this line", "type above this line",
    "type your response above", "enter your reply above", "add your reply above", "text above this line",
    "reply above here", "above this dashed line", "reply above to respond", "reply above to add",
    "post your reply above", "place your reply above", "antwort oberhalb dieser linie", "antwort über dieser linie",
    "antworten sie oberhalb dieser", "oberhalb dieser zeile", "über dieser zeile", "oberhalb dieser linie",
    "über dieser linie", "réponse au-dessus de cette ligne", "au-dessus de cette ligne", "ci-dessus de cette ligne",
    "encima de esta línea", "encima de esta linea", "por encima de esta línea", "arriba de esta línea",
    "sobre esta línea", "acima desta linha", "por cima desta linha", "sopra questa riga", "sopra questa linea",
    "al di sopra di questa riga", "boven deze regel", "boven deze lijn", "over denne linje", "over denne linjen",
    "ovanför denna linje", "ovanför den här raden", "ovanför denna rad", "tämän rivin yläpuolelle",
    "nad tym wierszem", "powyżej tej linii", "nad tą linią", "powyżej tego wiersza", "nad tento řádek",
    "nad tímto řádkem", "nad tento riadok", "nad týmto riadkom", "выше этой линии", "выше этой строки",
    "над этой строкой", "вище цієї лінії", "вище цього рядка", "над этой чертой", "над тази линия", "iznad ove crte",
    "iznad ove linije", "nad to vrstico", "e sor fölé", "ezen sor fölé", "e vonal fölé", "deasupra acestei linii",
    "deasupra acestui rând", "bu satırın üstüne", "bu satırın üzerine", "bu çizginin üstüne",
    "πάνω από αυτή τη γραμμή", "πάνω από αυτήν τη γραμμή", "מעל שורה זו", "מעל לשורה זו", "فوق هذا السطر",
    "بالای این خط", "在此行上方", "在此线上方", "在這行上方", "在此行以上", "この行より上", "この線より上",
    "この行の上", "이 줄 위에", "이 선 위에", "เหนือบรรทัดนี้", "phía trên dòng này", "di atas baris ini",
    "üle selle rea", "virš šios eilutės", "virs šīs līnijas", "virs šīs rindas", "damunt d'aquesta línia",
    "sobre d'aquesta línia", "lerro honen gainean",
)  # fmt: skip
"""What the line says above which an answer to a desk shall stand."""

DEVICES: Final = (
    "avast", "avg", "proton", "mail orange", "aol app", "mymail", "typeapp", "kindle", "갤럭시", "삼성", "스마트폰",
    "iphon", "phone", "ipad", "ipod", "android", "samsung", "galaxy", "blackberry", "windows", "nokia", "huawei",
    "xiaomi", "motorola", "xperia", "oneplus", "lumia", "outlook", "yahoo", "mailspring", "gmx", "web.de", "mail.ru",
    "gmail", "fastmail", "thunderbird", "smartphone", "airmail", "tutanota", "smartfon", "telekom", "freenet",
    "macbook", "imac", "telephone", "k-9", "k9", "bluemail", "hotmail", "redmi", "realme", "tablet", "verizon",
    "t-mobile", "at&t", "polymail", "superhuman", "touchmail", "posteo", "mailbird", "mail.com", "网易", "foxmail",
    "手机", "рамблер", "яндекс", "fairphone", "aquamail", "wp.pl", "seznam", "telefon", "téléphone", "teléfono",
    "mobil", "móvil", "fairemail", "sailfish", "blue mail",
)  # fmt: skip
"""How words begin that show that a line "sent from" speaks of a device or a program."""

PROGRAMS: Final = (
    "mailbox", "nylas", "inbox", "laptop", "watch", "sony", "honor", "vivo", "oppo", "pixel", "spark", "handy",
    "orange", "workspace", "aol", "canary", "nine", "sprint", "newton", "boxer", "edison", "hey", "avg",
    "qq", "palm", "treo", "pda", "droid", "nexus", "ios", "tuta", "libero", "zoho", "htc", "mac", "pc",
    "alto", "mail", "mail app", "surface", "touchdown",
)  # fmt: skip
"""Names of such that mean something else, too: they must be the first word behind "sent from"."""


def phrases(kind: str) -> list[str]:
    """Return those of one kind, of all languages, in lower case, each once."""
    found: dict[str, None] = {}
    for line in TABLE.strip().splitlines():
        head, _, listed = line.partition(": ")
        if head.partition(" ")[2] == kind:
            found.update(dict.fromkeys(phrase.casefold() for phrase in listed.split(", ")))
    return list(found)
