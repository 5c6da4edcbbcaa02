#ifndef MIGRATOR_CSQLITE_SHIM_H
#define MIGRATOR_CSQLITE_SHIM_H

#include <sqlite3.h>

// SQLITE_TRANSIENT is a cast that Swift's importer leaves out (sqlite3.h).
static inline sqlite3_destructor_type migrator_sqlite_transient(void) {
    return SQLITE_TRANSIENT;
}

#endif
