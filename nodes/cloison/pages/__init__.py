"""Web pages: rendered on the server, readable without JavaScript, French first.

* Every text is escaped by the template engine; only `https:` and `http:` addresses are links.
* Headings in order, tables with a caption and the scope of each header, black on white, for print.
* A notice is one document in two forms, page and PDF: neither has words of its own.
"""
