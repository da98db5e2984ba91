"""What happened: the kernel types, the recorder, the store and the replay.

`import traces` stays light: DuckDB and pyarrow are imported when a store is opened.
"""
