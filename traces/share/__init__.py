"""An experiment as one file that another installation opens: Parquet in a zip, with a manifest and checksums."""
