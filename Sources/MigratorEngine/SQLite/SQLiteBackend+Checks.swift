extension SQLiteBackend: Backend {
    public var checks: [any VerificationCheck] { standardChecks }
}
