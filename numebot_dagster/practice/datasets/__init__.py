"""The files that Numerai offers for download, made from the market."""
