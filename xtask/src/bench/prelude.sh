# Words that the scenarios use.

# mixed NAME PARTS: makes the mixed database, or one of so many parts of it
mixed() {
  createdb "$1"
  psql -Xqd "$1" -v ON_ERROR_STOP=1 -v narrow=$((NARROW / $2)) -v docs=$((DOCS / $2)) -v small=$((SMALL / $2)) -f "$MIXED" >/dev/null
}

# each_table FORMAT: a psql command for each table of the mixed database
each_table() {
  psql -XAtd mixed -v format="$1" <<<"select format(:'format', tablename) from pg_tables where schemaname = 'public';"
}
