extension PostgreSQLBackend: Backend {
    public var checks: [any VerificationCheck] { standardChecks }
}

/// What both databases are verified by, in the order in which it is shown.
var standardChecks: [any VerificationCheck] {
    [
        LedgerCheck(), FingerprintCheck(), BackupCheck(), SwitchCheck(), FollowerCheck(), SyncCheck(), EnsureCheck(),
        FillCheck(),
        OrphanCheck(), NextIDCheck(), ValidityCheck(), QueryCheck(), ExceptionCheck(),
    ]
}
