"""The door: the process `mail`, where answers to letters come in (`winback serve mail`).

consumes  mails, by SMTP and LMTP
produces  outreach (ReplyReceived, EnrollmentStopped, EnrollmentHeld, MailUndelivered)
owns      received_mails, round_trips

It takes mail for the addresses of letters and for nobody else, and sends none on.

    server      the dialogue: who may come in, how much, when 250 is said
    receiving   what a mail is, and what it does to the enrollment
    round_trip  a mail to ourselves, so that we know that answers would be heard
"""
