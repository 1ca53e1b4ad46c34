"""The words before the colon in the header that mail programs print above a mail they quote or pass on.

One line a language and label; the first word is what most programs write, the others what some do (Apple Mail, Outlook
on each system and on the web, Thunderbird, Gmail, Lotus Notes and the mail services of the country).
"""

# ruff: noqa: RUF001 - the letters of all scripts are meant

from __future__ import annotations

from typing import Final

WORDS: Final = """
en from: From, From name, From address, Sender, Sent by, Sent from, Author
en date: Date, Sent, Sent at, Sent on, Date sent, Sent date, Sent time, Received, Received date, Date received
en to: To, To address, Recipient, Recipients, Sent to
en cc: Cc, Copy, Copy to, CC to, Copies to
en bcc: Bcc, Blind copy
en subject: Subject, Subj, Title
en reply: Reply-To, Reply to, Replyto
en other: Importance, Priority, Attachments, Attachment, Attach, Organization, Organisation, Newsgroups, Message-ID
en other: Sensitivity, Categories, Mailing list, Mailed-by, Signed-by, Security, References, In-Reply-To, X-Mailer
en other: Files, Attached files
en other: Folder, Signed by, Mailed by, Conversation, Resent-From, Resent-To, Resent-Date, User-Agent, MIME-Version
en other: Return-Path, Content-Type, List-Id, Follow up
de from: Von, Absender, Gesendet von, Absenderin
de date: Gesendet, Datum, Gesendet am, Gesendet um, Sendedatum, Versendet, Empfangen, Erhalten, Abgesendet, Versandt
de to: An, Empfänger, Gesendet an
de cc: Cc, Kopie, Kopie an, Kopien an, Kopie (CC)
de bcc: Bcc, Blindkopie
de subject: Betreff, Betr, Thema
de reply: Antwort an, Antworten an, Antwort-An, Antwortadresse
de other: Wichtigkeit, Priorität, Anlagen, Anlage, Anhang, Anhänge, Firma, Vertraulichkeit, Kategorien
fr from: De, Expéditeur, Envoyé par, Émetteur, De la part de, Auteur
fr date: Date, Envoyé, Envoyé le, Date d'envoi, Reçu, Reçu le, Date de réception, Envoyée
fr to: À, A, Destinataire, Destinataires, Pour, Envoyé à
fr cc: Cc, Copie, Copie à, Copies à
fr bcc: Cci, Copie cachée
fr subject: Objet, Sujet
fr reply: Répondre à, Réponse à, Répondre-à, Répondre
fr other: Importance, Pièces jointes, Pièce jointe, Priorité, Organisation
es from: De, Remitente, Enviado por, Desde, Emisor
es date: Enviado, Fecha, Enviado el, Enviada el, Fecha de envío, Recibido, Enviados, Envío
es to: Para, A, Destinatario, Destinatarios
es cc: CC, Copia, Con copia, Con copia a
es bcc: CCO, Bcc
es subject: Asunto, Tema
es reply: Responder a, Responder-a, Respuesta a
es other: Importancia, Datos adjuntos, Adjuntos, Archivos adjuntos, Prioridad
it from: Da, Mittente, Inviato da, Per conto di
it date: Inviato, Data, Inviato il, Data invio, Data di invio, Ricevuto, Inviata, Spedito
it to: A, Destinatario, Destinatari, Per
it cc: Cc, Copia, Copia a, Per conoscenza, P.c.
it bcc: Ccn
it subject: Oggetto, Ogg, Soggetto
it reply: Rispondi a, Rispondere a, Rispondi-a
it other: Priorità, Allegati, Allegato, Importanza
nl from: Van, Afzender, Verzonden door
nl date: Verzonden, Datum, Verstuurd, Verzonden op, Verzenddatum, Ontvangen, Gestuurd
nl to: Aan, Ontvanger, Ontvangers, Naar
nl cc: CC, Kopie, Kopie aan
nl bcc: BCC
nl subject: Onderwerp, Betreft
nl reply: Antwoord aan, Antwoorden aan, Antwoord-aan, Beantwoorden aan
nl other: Urgentie, Bijlagen, Bijlage, Belang, Prioriteit
pt from: De, Remetente, Enviado por
pt date: Enviado, Enviada, Data, Enviado em, Enviada em, Enviado a, Enviada a, Data de envio, Data do envio, Recebido
pt to: Para, A, Destinatário, Destinatários
pt cc: Cc, Cópia, Com cópia, Com cópia para
pt bcc: Bcc, Cco
pt subject: Assunto
pt reply: Responder a, Responder para, Responda a, Responder-a
pt other: Importância, Anexos, Anexo, Prioridade
sv from: Från, Avsändare, Skickat av
sv date: Skickat, Datum, Skickades, Skickad, Sänt, Mottaget
sv to: Till, Mottagare
sv cc: Kopia, Cc, Kopia till
sv bcc: Hemlig kopia, Dold kopia
sv subject: Ämne, Ang, Angående, Rubrik
sv reply: Svara till, Svar till, Svarsadress
sv other: Prioritet, Bifogade filer, Bilagor
da from: Fra, Afsender
da date: Sendt, Dato, Sendt den, Afsendt, Modtaget
da to: Til, Modtager, Modtagere
da cc: Cc, Kopi, Kopi til
da bcc: Bcc, Skjult kopi
da subject: Emne, Vedr, Vedrørende
da reply: Svar til, Besvar til, Svaradresse
da other: Prioritet, Vedhæftede filer, Vedhæftet fil
nb from: Fra, Avsender
nb date: Sendt, Dato, Sendt den, Mottatt
nb to: Til, Mottaker, Mottakere
nb cc: Kopi, Cc, Kopi til
nb bcc: Blindkopi
nb subject: Emne, Ang
nb reply: Svar til, Svaradresse
nb other: Prioritet, Vedlegg
fi from: Lähettäjä, Keneltä
fi date: Lähetetty, Päivämäärä, Pvm, Lähetysaika, Päiväys, Vastaanotettu
fi to: Vastaanottaja, Vastaanottajat, Kenelle
fi cc: Kopio, Cc, Kopiot
fi bcc: Piilokopio
fi subject: Aihe, Otsikko
fi reply: Vastaus, Vastausosoite, Vastaa osoitteeseen, Vastaa
fi other: Tärkeys, Liitteet, Prioriteetti
is from: Frá, Sendandi
is date: Sent, Dagsetning, Dags, Sent þann
is to: Til, Viðtakandi
is cc: Afrit, Cc
is bcc: Falið afrit
is subject: Efni, Viðfangsefni
is reply: Svara til, Svar til
pl from: Od, Nadawca, Wysłane przez
pl date: Wysłano, Data, Wysłane, Data wysłania, Wysłany, Wysłana, Dnia, Otrzymano
pl to: Do, Adresat, Odbiorca, Odbiorcy, Dla
pl cc: DW, Kopia, Cc, Do wiadomości, Kopia do
pl bcc: UDW
pl subject: Temat, Dotyczy
pl reply: Odpowiedz do, Odpowiedź do, Odpowiedz, Adres zwrotny
pl other: Ważność, Załączniki, Załącznik, Priorytet
cs from: Od, Odesílatel, Odesilatel
cs date: Odesláno, Datum, Posláno, Datum odeslání, Dne, Přijato
cs to: Komu, Pro, Příjemce, Adresát, Příjemci
cs cc: Kopie, Cc, Kopie komu
cs bcc: Skrytá
cs subject: Předmět, Věc
cs reply: Odpověď komu, Odpovědět komu, Odpovědět na, Odpověď
cs other: Důležitost, Přílohy, Příloha, Priorita
sk from: Od, Odosielateľ
sk date: Odoslané, Dátum, Poslané, Dátum odoslania, Odoslaná, Dňa, Prijaté
sk to: Komu, Pre, Príjemca, Adresát
sk cc: Kópia, Cc, Kópia komu
sk bcc: Skrytá kópia
sk subject: Predmet, Vec
sk reply: Odpoveď, Odpovedať komu, Odpovedať na, Odpoveď komu
sk other: Dôležitosť, Prílohy, Príloha, Priorita
hu from: Feladó, Küldő
hu date: Küldve, Dátum, Elküldve, Küldés dátuma, Érkezett, Küldés ideje, Időpont
hu to: Címzett, Címzettek
hu cc: Másolatot kap, Másolat, Cc
hu bcc: Titkos másolat, Rejtett másolat
hu subject: Tárgy
hu reply: Válaszcím, Válasz erre a címre, Válasz
hu other: Fontosság, Mellékletek, Melléklet
ro from: De la, De, Expeditor, Trimis de
ro date: Trimis, Data, Dată, Data trimiterii, Expediat, Trimis la
ro to: Către, Catre, La, Destinatar, Pentru
ro cc: Cc, Copie, Copie la
ro bcc: Bcc
ro subject: Subiect, Subiectul
ro reply: Răspuns către, Răspunde la, Răspunde către, Raspunde la
ro other: Importanță, Atașări
hr from: Od, Šalje, Pošiljatelj, Šalje se od
hr date: Poslano, Datum, Vrijeme slanja, Datum slanja
hr to: Prima, Za, Prema, Primatelj, Kome
hr cc: Kopija, Cc, Kopija za
hr bcc: Skrivena kopija
hr subject: Predmet, Naslov
hr reply: Odgovori na, Odgovor na, Odgovori
sr from: Od, Шаље, Od strane, Пошиљалац, Pošiljalac, Од
sr date: Poslato, Датум, Послато, Datum, Датум слања
sr to: Za, Kome, Прима, За, Коме, Prima, Primalac, Прималац
sr cc: Копија, Kopija, Цц, Cc
sr bcc: Bcc
sr subject: Naslov, Наслов, Tema, Predmet, Предмет, Тема
sr reply: Odgovor na, Одговор на, Одговори на
sl from: Od, Pošiljatelj, Poslal
sl date: Poslano, Datum, Datum pošiljanja, Prejeto
sl to: Za, Prejemnik, Komu, Naslovnik
sl cc: Kp, Kopija, V vednost, Cc
sl bcc: Skp
sl subject: Zadeva
sl reply: Odgovor za, Odgovori na, Odgovor na
bg from: От, Подател, Изпращач
bg date: Изпратено, Дата, Изпратен на, Изпратено на, Получено
bg to: До, Получател, Към
bg cc: Копие, Копие до, Як, Cc
bg bcc: Скрито копие
bg subject: Относно, Тема
bg reply: Отговор до, Отговор на
ru from: От, От кого, Отправитель, Кто
ru date: Отправлено, Дата, Дата отправки, Дата отправления, Послано, Получено, Когда
ru to: Кому, Получатель, Для, Получатели
ru cc: Копия, Cc, Копия для
ru bcc: Скрытая копия
ru subject: Тема
ru reply: Ответить, Ответ, Обратный адрес, Кому ответить, Отвечать
ru other: Важность, Вложения, Вложение, Приоритет
uk from: Від, Від кого, Відправник, Надіслав
uk date: Надіслано, Дата, Дата надсилання, Відправлено, Дата відправлення, Надіслано в
uk to: Кому, Одержувач, До, Отримувач
uk cc: Копія, Cc
uk bcc: Прихована копія
uk subject: Тема
uk reply: Кому відповісти, Відповідь, Відповісти, Зворотна адреса
be from: Ад, Ад каго
be date: Адпраўлена, Дата
be to: Каму
be cc: Копія
be subject: Тэма
mk from: Од, Испраќач
mk date: Испратено, Датум
mk to: До, За
mk cc: Копија
mk subject: Предмет, Тема, Наслов
el from: Από, Αποστολέας, Απο
el date: Ημερομηνία, Στάλθηκε, Απεστάλη, Εστάλη, Αποστολή, Ημ/νία, Ημερομηνία αποστολής
el to: Προς, Παραλήπτης, Πρός, Παραλήπτες
el cc: Κοιν, Κοινοποίηση, Αντίγραφο, Cc
el bcc: Κρυφή κοινοποίηση, Ιδιαίτερη κοινοποίηση
el subject: Θέμα
el reply: Απάντηση σε, Απάντηση προς, Απάντηση
tr from: Kimden, Gönderen, Kimden gelen
tr date: Tarih, Gönderildi, Gönderim Tarihi, Gönderme Tarihi, Gönderilme Tarihi, Gönderim zamanı, Gönderildiği tarih
tr date: Gönderilen
tr to: Kime, Alıcı, Alıcılar
tr cc: Bilgi, Cc, Kopya, Bilgi için
tr bcc: Gizli
tr subject: Konu
tr reply: Yanıt adresi, Yanıtlama adresi, Yanıtla, Yanıt
tr other: Önem, Ekler, Öncelik
he from: מאת, מ, שולח, השולח
he date: תאריך, נשלח, בתאריך, נשלח ב, נשלח בתאריך
he to: אל, ל, נמען, נמענים, עבור
he cc: עותק, העתק, העתקים
he bcc: עותק מוסתר, עותק סמוי
he subject: נושא, הנדון
he reply: השב אל, תשובה אל, השב ל
ar from: من, المرسل, مرسل من
ar date: التاريخ, تاريخ, أرسل, تم الإرسال, تاريخ الإرسال, تم الإرسال في, أرسلت, الإرسال, مرسل
ar to: إلى, الى, المستلم, المرسل إليه
ar cc: نسخة, نسخة إلى, نسخة كربونية
ar bcc: نسخة مخفية
ar subject: الموضوع, موضوع
ar reply: الرد على, الرد إلى, رد على
fa from: از, فرستنده
fa date: تاریخ, ارسال شده, ارسال, تاریخ ارسال, زمان ارسال, فرستاده شده
fa to: به, گیرنده, گیرندگان
fa cc: رونوشت
fa bcc: رونوشت مخفی
fa subject: موضوع
fa reply: پاسخ به
zh-CN from: 发件人, 寄件人, 发信人, 来自, 发送人, 发件者, 发送者, 邮件发送人
zh-CN date: 发送时间, 日期, 发送日期, 时间, 发送, 发件时间, 已发送, 发信时间
zh-CN to: 收件人, 收信人, 至, 送达, 发送至, 发送给
zh-CN cc: 抄送, 抄送人, 副本
zh-CN bcc: 密送, 密件抄送
zh-CN subject: 主题, 标题
zh-CN reply: 回复至, 回复, 回复给, 答复
zh-CN other: 附件, 重要性, 优先级
zh-TW from: 寄件者, 寄件人, 發件人, 自, 來自, 寄信人, 發送者, 寄信者
zh-TW date: 寄件日期, 日期, 傳送日期, 發送時間, 已傳送, 傳送時間, 時間, 寄信日期, 寄送日期, 寄件時間
zh-TW to: 收件者, 收件人, 至, 收信人, 收信者
zh-TW cc: 副本, 副本抄送, 抄送
zh-TW bcc: 密件副本
zh-TW subject: 主旨, 標題, 主題
zh-TW reply: 回覆, 回覆至, 回覆給, 回信地址
ja from: 差出人, 送信者, 送信元, 発信者, From, 発信元, 差出し人
ja date: 送信日時, 日時, 日付, 送信日, 受信日時, 送信時刻, Date, 送信済み
ja to: 宛先, To, 送信先, 宛て先, 受信者, あて先
ja cc: Cc, 写し, カーボンコピー
ja bcc: Bcc
ja subject: 件名, Subject, タイトル, 題名
ja reply: 返信先, 返信先アドレス
ja other: 添付ファイル, 重要度
ko from: 보낸 사람, 보낸사람, 발신인, 발신자, 보낸이, 보내는 사람, 발신, 보낸 이, 송신자
ko date: 날짜, 보낸 날짜, 보낸 시간, 일시, 보낸날짜, 전송일, 발신일, 발송일, 발신 날짜, 보낸 일시, 보낸시간
ko to: 받는 사람, 받는사람, 수신인, 수신자, 받는이, 수신, 받는 이
ko cc: 참조, 참조인
ko bcc: 숨은 참조
ko subject: 제목, 주제
ko reply: 회신 받는 사람, 회신, 답장 받는 사람, 회신 대상
th from: จาก, ผู้ส่ง
th date: วันที่, ส่ง, ส่งเมื่อ, วันที่ส่ง
th to: ถึง, ผู้รับ
th cc: สำเนา, สำเนาถึง
th bcc: สำเนาลับ
th subject: เรื่อง, หัวเรื่อง, หัวข้อ
th reply: ตอบกลับไปยัง, ตอบกลับถึง, ตอบกลับ
vi from: Từ, Người gửi
vi date: Ngày, Đã gửi, Thời gian, Gửi, Gửi lúc, Vào lúc, Ngày gửi, Lúc
vi to: Đến, Tới, Người nhận, Gửi đến, Gửi tới
vi cc: Cc, Đồng gửi
vi subject: Chủ đề, Tiêu đề, Chủ Đề
vi reply: Trả lời, Trả lời tới, Trả lời đến
id from: Dari, Pengirim
id date: Tanggal, Dikirim, Terkirim, Tgl, Dikirimkan
id to: Kepada, Ke, Untuk, Penerima
id cc: Cc, Tembusan
id subject: Subjek, Perihal, Judul
id reply: Balas ke, Balas Kepada
ms from: Daripada, Dari, Penghantar
ms date: Dihantar, Tarikh, Hantar
ms to: Kepada, Ke
ms cc: Sk, Cc, Salinan
ms subject: Subjek, Perkara, Tajuk
ms reply: Balas Kepada, Balas ke
et from: Saatja, Kellelt
et date: Saadetud, Kuupäev, Saatmisaeg
et to: Adressaat, Kellele, Saaja
et cc: Koopia, Cc
et bcc: Pimekoopia
et subject: Teema, Pealkiri
et reply: Vastus, Vasta
lv from: No, Sūtītājs
lv date: Nosūtīts, Datums, Nosūtīšanas datums, Sūtīts
lv to: Kam, Adresāts, Saņēmējs
lv cc: Kopija, Kopija adresātam, Cc
lv subject: Tēma, Temats
lv reply: Atbildēt, Atbilde, Atbildēt uz
lt from: Nuo, Siuntėjas
lt date: Išsiųsta, Data, Siųsta, Išsiuntimo data
lt to: Kam, Gavėjas, Iki, Gavėjai
lt cc: Kopija, Cc, Kopija kam
lt subject: Tema
lt reply: Atsakyti, Atsakymas
ca from: De, Remitent
ca date: Enviat, Data, Enviat el, Enviat a les, Data d'enviament
ca to: Per a, A, Destinatari, Per
ca cc: Cc, A/c, Còpia
ca subject: Assumpte, Tema
ca reply: Respon a, Respondre a
eu from: Nork, Igorlea, Bidaltzailea
eu date: Bidalia, Data, Noiz, Bidaltze-data
eu to: Nori, Hartzailea, Norentzat
eu cc: Kopia, Cc
eu subject: Gaia
eu reply: Erantzun, Erantzun honi
gl from: De, Remitente
gl date: Enviado, Data, Enviado o
gl to: Para, A, Destinatario
gl cc: Cc, Copia
gl subject: Asunto
gl reply: Responder a
sq from: Nga
sq date: Dërguar, Data
sq to: Për, Tek
sq subject: Subjekti, Tema
af from: Van
af date: Gestuur, Datum
af to: Aan
af subject: Onderwerp
cy from: Oddi wrth
cy date: Anfonwyd, Dyddiad
cy to: At
cy subject: Pwnc
ga from: Ó
ga date: Seolta, Dáta
ga to: Chuig
ga subject: Ábhar
hi from: प्रेषक, से, द्वारा
hi date: दिनांक, भेजा गया, तारीख
hi to: प्रति, को, सेवा में
hi cc: प्रतिलिपि
hi subject: विषय
az from: Kimdən, Göndərən
az date: Tarix, Göndərilib
az to: Kimə
az cc: Surət
az subject: Mövzu
kk from: Кімнен, Жіберуші
kk date: Күні, Жіберілді
kk to: Кімге
kk subject: Тақырып, Тақырыбы
ka from: გამომგზავნი, ვისგან
ka date: თარიღი, გაგზავნილია
ka to: ვის, მიმღები
ka subject: თემა
hy from: Ումից, Ուղարկող
hy date: Ամսաթիվ
hy to: Ում
hy subject: Թեմա
bn from: প্রেরক, থেকে
bn date: তারিখ
bn to: প্রতি, প্রাপক
bn subject: বিষয়
ta from: அனுப்புநர்
ta date: தேதி
ta to: பெறுநர்
ta subject: பொருள்
ur from: منجانب
ur date: تاریخ
ur to: بنام
ur subject: موضوع, عنوان
sw from: Kutoka, Kutoka kwa
sw date: Tarehe
sw to: Kwa
sw subject: Mada
tl from: Mula kay, Mula sa
tl date: Petsa
tl to: Para kay
tl subject: Paksa
"""
