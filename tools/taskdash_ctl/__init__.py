"""The command line, `taskdash-ctl`: what the client library offers, shown well."""
