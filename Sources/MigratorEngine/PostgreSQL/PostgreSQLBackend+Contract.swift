import MigratorDatabase
import MigratorScript

extension PostgreSQLBackend {
    /// The compatibility view goes, and a sequence that is named after the old table is named after the new one.
    /// What a way back needs stays. A second time there is nothing to do.
    public func contract(revision: String, context: StepContext) throws -> StepOutcome {
        var details: [String] = []
        for object in try ledger.objects(revision: revision, kind: "switch") {
            var record = try SwitchRecord(object)
            if let view = record.view {
                try dropView(view)
                details.append("view \(view.name) dropped")
                record.view = nil
            }
            if let renaming = try renameSequence(record) {
                record.undo.insert(renaming.undo, at: 0)
                details.append(renaming.detail)
            }
            try ledger.updateObject(object.id, detail: try record.json())
        }
        return StepOutcome(details: details.isEmpty ? ["nothing to do"] : details)
    }

    /// `direct_messages_id_seq` to `messages_id_seq`, where the new name is free.
    private func renameSequence(_ record: SwitchRecord) throws -> (undo: String, detail: String)? {
        let old = "\(record.source.name)_\(record.key)_seq"
        let new = "\(record.target.name)_\(record.key)_seq"
        guard old != new, new.utf8.count <= 63,
            let table = try catalog.oid(of: record.target.tableName),
            let sequence = try catalog.ownedSequence(of: table, column: record.key), sequence.name == old,
            try catalog.relation(TableName(schema: sequence.schema, new)) == nil
        else { return nil }
        let space = sequence.schema.quotedIdentifier
        try session.execute("ALTER SEQUENCE \(sequence.quoted) RENAME TO \(new.quotedIdentifier)")
        return (
            "ALTER SEQUENCE \(space).\(new.quotedIdentifier) RENAME TO \(old.quotedIdentifier)",
            "sequence \(old) renamed \(new)"
        )
    }
}
