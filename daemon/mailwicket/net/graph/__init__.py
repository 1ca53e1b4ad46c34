"""Microsoft Graph mail (v1.0), as far as a mailbox needs it: one thin client, for what comes in and what goes out."""
