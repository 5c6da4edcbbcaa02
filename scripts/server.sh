# A private throw-away PostgreSQL server; to be sourced by bash after lib.sh. It listens on a Unix socket in a
# folder in server_parent alone, so that no other server is in its way, and ends with the script that started it.

server_parent=/tmp
server_folder=
server_url=
server_bin=

# Starts the server of a folder of programs, with further settings as NAME=VALUE; sets server_url (of the database
# "postgres"; see database_url) and server_bin.
start_server() {
    server_bin=$1
    shift
    local setting settings=() library
    for setting in listen_addresses= port=5432 timezone=UTC lc_messages=C fsync=off "$@"; do
        settings+=(-c "$setting")
    done
    # Short: the path of a Unix socket may have 107 bytes.
    server_folder=$(mktemp -d "$server_parent/migrator-XXXXXX")
    trap stop_server EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    mkdir "$server_folder/data" "$server_folder/socket"
    : >"$server_folder/log"
    chmod 755 "$server_folder"
    # initdb and postgres refuse root.
    server_user=()
    if [ "$(id -u)" = 0 ]; then
        local name=postgres
        id -u "$name" >/dev/null 2>&1 || name=nobody
        chown -R "$name" "$server_folder"
        server_user=(setpriv "--reuid=$(id -u "$name")" "--regid=$(id -g "$name")" --clear-groups --)
    fi
    # Builds from elsewhere find their libraries beside their programs.
    library=$(dirname "$server_bin")/lib
    server_environment=(env -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE -u PGSERVICE -u PGOPTIONS LC_ALL=C)
    if compgen -G "$library/libpq.so*" >/dev/null; then
        server_environment+=("LD_LIBRARY_PATH=$library")
    fi
    # Started in the folder: the user may not be allowed to enter the current one.
    (cd "$server_folder" && "${server_user[@]}" "${server_environment[@]}" "$server_bin/initdb" \
        -D "$server_folder/data" -U postgres -A trust -N -E UTF8 --locale=C.UTF-8) >>"$server_folder/log" 2>&1 ||
        server_failed "PostgreSQL's initdb failed"
    # In a session of its own, so that a Ctrl-C reaches this script first.
    (cd "$server_folder" && exec setsid "${server_user[@]}" "${server_environment[@]}" "$server_bin/postgres" \
        -D "$server_folder/data" -c "unix_socket_directories=$server_folder/socket" "${settings[@]}" \
        </dev/null >>"$server_folder/log" 2>&1) &
    server_process=$!
    server_url=$(database_url postgres)
    local attempt
    for attempt in $(seq 300); do
        server_psql postgres -c 'SELECT 1' >/dev/null 2>&1 && return
        kill -0 "$server_process" 2>/dev/null || break
        sleep 0.1
    done
    server_failed "PostgreSQL did not start"
}

server_failed() {
    tail -n 20 "$server_folder/log" >&2
    die "$1"
}

database_url() { echo "postgresql:///$1?host=$server_folder/socket&port=5432&user=postgres"; }

# server_psql DATABASE ARGUMENTS: the server's own psql, bare rows, stopping at the first error.
server_psql() {
    local database=$1
    shift
    "${server_environment[@]}" "$server_bin/psql" -XAtq -v ON_ERROR_STOP=1 -d "$(database_url "$database")" "$@"
}

stop_server() {
    [ -n "$server_folder" ] || return 0
    if [ -n "${server_process:-}" ]; then
        kill -QUIT "$(head -n 1 "$server_folder/data/postmaster.pid" 2>/dev/null || echo "$server_process")" \
            2>/dev/null || true
        wait "$server_process" 2>/dev/null || true
    fi
    rm -rf "$server_folder"
    server_folder=
}
