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
                let isDropped = try dropView(view, of: record)
                details.append("view \(view.name) " + (isDropped ? "dropped" : "was not there any more"))
                record.view = nil
            }
            if let follower = record.follower {
                details.append(try endFollowing(follower, record: &record, revision: revision))
            }
            if let renaming = try renameSequence(record) {
                record.undo.insert(renaming.undo, at: 0)
                details.append(renaming.detail)
            }
            try ledger.updateObject(object.id, detail: try record.json())
        }
        return StepOutcome(details: details.isEmpty ? ["nothing to do"] : details)
    }

    /// Before a soak ends, without a lock: the follower holds what the target holds.
    public func prepareContract(of script: Script, context: StepContext) throws {
        for object in try ledger.objects(revision: script.revision, kind: "switch") {
            let record = try SwitchRecord(object)
            guard let follower = record.follower?.tableName else { continue }
            let mapping = try session.discardingChanges {
                try mappingBack(
                    try script.wayBack(from: record.source.name, record.target.name)?.mapping, of: record, to: follower)
            }
            let comparison = try compareInStretches(
                mapping.select, columns: mapping.columns, with: follower, key: record.key)
            try refuse(
                comparison, what: "the follower of \"\(record.target.name)\" is not equal to it",
                following: (record.target.name, follower), nothing: "the soak goes on")
        }
    }

    /// The follower's rows and its trigger go; its empty shell stays, and with it the way back.
    func endFollowing(
        _ follower: SwitchRecord.Table, record: inout SwitchRecord, revision: String
    ) throws -> String {
        for object in try ledger.objects(revision: revision, kind: "follower")
        where TriggerRecord(json: object.detail)?.target == follower.name {
            try removeTrigger(object)
        }
        try session.execute("TRUNCATE \(quoted(follower.tableName))")
        let source = "\(record.source.schema.quotedIdentifier).\(record.source.name.quotedIdentifier)"
        if let shell = try catalog.relation(follower.tableName) {
            for check in try catalog.constraints(of: shell.oid) where check.isUnmet {
                record.undo += try takeOff(check, of: shell, recordedFor: source)
            }
        }
        if let target = try catalog.oid(of: record.target.tableName) {
            for child in try catalog.foreignKeysReferencing(target) where child.tableOID != target {
                let name = child.name.quotedIdentifier
                guard record.children?.contains("\(child.table) \(name)") == true,
                    let definition = child.definition(referring: source)
                else { continue }
                let comment = child.comment.map {
                    "; COMMENT ON CONSTRAINT \(name) ON \(child.table) IS \($0.quotedLiteral)"
                }
                record.undo.append(
                    "ALTER TABLE \(child.table) DROP CONSTRAINT \(name); ALTER TABLE \(child.table) ADD CONSTRAINT \(name) \(definition)\(comment ?? "")"
                )
            }
        }
        record.shell = follower
        record.follower = nil
        return "the follower of \(record.target.name) is emptied"
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
