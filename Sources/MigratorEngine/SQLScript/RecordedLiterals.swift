import MigratorDatabase
import MigratorScript

/// Values as a script holds them: what will be another one when it is run is an expression there.
struct RecordedLiterals {
    let dialect: Dialect
    /// `system identifier/database oid` of the database that is recorded on.
    var identity: String?
    /// The run as the recording knows it, and as the script finds it.
    var run: Run?

    struct Run {
        var id: Int
        var epoch: Int
        var idExpression: String
        var epochExpression: String
        /// What the script needs once the ledger has the run; nil where nothing.
        var preparation: String?
    }

    init(_ dialect: Dialect) { self.dialect = dialect }

    /// Ids that no ledger has come to.
    static let placeholder = (run: 4_611_686_018_427_380_001, epoch: 4_611_686_018_427_380_002)

    /// Stand in for what PostgreSQL says of the transaction.
    private static let snapshot = "migrator-snapshot-of-this-transaction"
    private static let transaction = "migrator-id-of-this-transaction"

    /// The answer that the recording gives in the database's stead.
    func answer(to sql: String) -> Row? {
        guard sql == "SELECT pg_current_snapshot()::text AS snapshot, pg_current_xact_id()::text AS xid" else {
            return nil
        }
        return Row(columns: ["snapshot", "xid"], values: [.text(Self.snapshot), .text(Self.transaction)])
    }

    func statement(after sql: String, _ ledger: Ledger) -> String? {
        guard let preparation = run?.preparation, sql.hasPrefix("INSERT INTO \(ledger.table("run")) ") else {
            return nil
        }
        return preparation
    }

    /// - Parameter session: knows the relations by their oids.
    func literal(_ value: SQLValue, _ session: (any Session)?) -> String {
        switch value {
        case .integer(let number) where run.map { Int64($0.id) == number } ?? false: run?.idExpression ?? ""
        case .integer(let number) where run.map { Int64($0.epoch) == number } ?? false: run?.epochExpression ?? ""
        case .text(let text) where dialect == .postgresql: expression(text, session)
        default: SQLText.literal(value, dialect)
        }
    }

    private enum Part {
        case text(String)
        case expression(String)
    }

    private func expression(_ text: String, _ session: (any Session)?) -> String {
        var parts = [Part.text(text)]
        replace(Self.snapshot, by: "pg_current_snapshot()::text", in: &parts)
        replace(Self.transaction, by: "pg_current_xact_id()::text", in: &parts)
        if let identity {
            let expression = """
                (SELECT system_identifier || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()) \
                FROM pg_control_system())
                """
            replace(identity, by: expression, in: &parts)
            // As JSON has it.
            let escaped = identity.pieces(separatedBy: "/").joined(separator: #"\/"#)
            replace(escaped, by: #"replace(\#(expression), '/', '\/')"#, in: &parts)
        }
        if let session {
            for key in [#""relationOID":"#, #""relation":"#] { replaceRelation(after: key, session, in: &parts) }
        }
        guard parts.count > 1 else {
            if case .expression(let expression)? = parts.first { return expression }
            return text.quotedLiteral
        }
        return "("
            + parts.map { part in
                switch part {
                case .text(let text): text.quotedLiteral
                case .expression(let expression): expression
                }
            }.joined(separator: " || ") + ")"
    }

    private func replace(_ needle: String, by expression: String, in parts: inout [Part]) {
        parts = parts.flatMap { part -> [Part] in
            guard case .text(let text) = part else { return [part] }
            let pieces = text.pieces(separatedBy: needle)
            return pieces.enumerated().flatMap { index, piece -> [Part] in
                (index > 0 ? [.expression(expression)] : [])
                    + (piece.isEmpty && pieces.count > 1 ? [] : [.text(piece)])
            }
        }
    }

    /// `"relationOID":16400` becomes the oid that the relation of that name has when the script is run.
    private func replaceRelation(after key: String, _ session: any Session, in parts: inout [Part]) {
        parts = parts.flatMap { part -> [Part] in
            guard case .text(let text) = part, let range = text.firstRange(of: key) else { return [part] }
            let digits = text[range.upperBound...].prefix { $0.isASCII && $0.isNumber }
            let name = try? session.scalar(
                """
                SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_catalog.pg_class c
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::oid
                """, [.text(String(digits))]
            ).asText
            guard !digits.isEmpty, let name else { return [part] }
            return [
                .text(String(text[..<range.upperBound])), .expression("\(name.quotedLiteral)::regclass::oid::text"),
                .text(String(text[digits.endIndex...])),
            ]
        }
    }
}
