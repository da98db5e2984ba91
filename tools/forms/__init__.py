"""How the text of each form of file is read: plain text in any encoding, HTML, Word, PDF, tables with separators."""
