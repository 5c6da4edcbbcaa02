/// What `--version` prints and what the ledger records.
let toolVersion = "0.1.0"
