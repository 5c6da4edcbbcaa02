import MigratorDatabase
import MigratorScript

/// What a downgrade left, against what was there.
extension Rehearsal {
    func judgeCanaries(
        _ state: State, _ backend: any Backend
    ) throws -> (differences: [Difference], kept: Int, archived: Int) {
        let tables = try scratch.tables().filter { state.tables.contains($0.shown) }
        let backups = try backend.ledger.backups().map { backup in
            (
                backup.kind,
                ScratchTable(
                    shown: backup.name, quoted: backend.quoted(TableName(schema: backup.schema, backup.name)),
                    columns: try textColumns(of: backup, backend))
            )
        }
        return try canaries.judge(
            in: tables, archives: backups.filter { $0.0 == .archive }.map(\.1), backups: backups.map(\.1),
            backend.session)
    }

    /// Every column, read as what the database calls text.
    private func textColumns(of backup: BackupRecord, _ backend: any Backend) throws -> [ScratchTable.Column] {
        let names = try backend.columnNames(of: TableName(schema: backup.schema, backup.name)) ?? []
        guard backend.session.dialect == .postgresql else {
            return names.map { ScratchTable.Column(name: $0, textLength: 1_000_000) }
        }
        let text = Set(
            try backend.session.query(
                """
                SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0
                AND atttypid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype)
                """, [.text(backend.quoted(TableName(schema: backup.schema, backup.name)))]
            ).compactMap { $0[0].asText })
        return names.filter(text.contains).map { ScratchTable.Column(name: $0, textLength: 1_000_000) }
    }

    static func schemaDifferences(from before: SchemaSnapshot, to now: SchemaSnapshot) -> [Difference] {
        Set(before.keys).union(now.keys).sorted().flatMap { relation in
            SchemaDifference(from: before[relation] ?? [], to: now[relation] ?? []).lines.map {
                Difference(table: relation, message: "schema: \($0)")
            }
        }
    }

    /// An id that was drawn once must not be drawn again.
    static func idDifferences(from before: [NextID], to now: [NextID]) -> [Difference] {
        before.compactMap { old in
            guard let new = now.first(where: { $0.table == old.table && $0.column == old.column }),
                new.next ?? .max < old.next ?? .max
            else { return nil }
            return Difference(
                table: old.table.description, columns: [old.column],
                message:
                    "the next id was \(old.next.map(String.init) ?? "none") and is \(new.next ?? .max): ids would be used twice"
            )
        }
    }
}
