import MigratorDatabase
import MigratorScript

/// Both sides of a sync row by row, and the source's rows that have no place.
enum SyncComparison {
    /// Which rows lead back, and which have no place, is answered by joins of their own. On PostgreSQL they are spared
    /// where the keys show that nothing would come of them: where the rows that lead back have the keys of the whole
    /// target, leaving out the others leaves out none; and where the mapping yields the keys of the whole source, every
    /// row has its place.
    ///
    /// - Parameter section: the keys that are meant; nil: all.
    static func both(
        _ sync: Sync, mapping: MappingSource, within section: KeySection? = nil, script: Script,
        _ context: VerificationContext
    ) throws -> (rows: RowComparison, unplaced: Unplaced) {
        let backend = context.backend
        let judged: ((String?) -> String)? = sync.back == nil ? nil : { sync.rowsThatLeadBack(where: $0) }
        guard let tally = try tally(of: sync, backend) else {
            return (
                try RowComparison(inStretches: mapping, table: sync.target, key: sync.key, context, judged: judged),
                try Unplaced(
                    sync: sync, mapping: mapping, script: script, backend: backend,
                    checkInterruption: context.checkInterruption)
            )
        }
        var rows = RowComparison()
        var unplaced = Unplaced(nothingSeenOf: sync, mapping: mapping, script: script, backend: backend)
        let key = sync.key.quotedIdentifier
        func compareStretch(where condition: String?) throws {
            try context.checkInterruption()
            let meant = condition.map { " WHERE \($0)" } ?? ""
            var tallies = [
                "yielded": tally.sql(["ek"]),
                "source": """
                (SELECT \(tally.sql([key], countsAll: true)) FROM \(backend.quoted(sync.source))\(meant))
                """,
            ]
            if let back = sync.back?.mapping {
                tallies["back"] = "(SELECT \(tally.sql([key])) FROM (\(back.text)\n) AS back\(meant))"
            }
            func compare(_ judged: String?, tallies: [String: String] = [:]) throws -> RowComparison {
                try RowComparison(
                    expected: mapping.select, columns: mapping.columns, table: sync.target, key: sync.key,
                    backend: backend, condition: condition, judged: judged, showsValues: context.showsValues,
                    tallies: tallies)
            }
            let stretch = try compare(nil, tallies: tallies)
            let yielded = stretch.tallies["yielded"]
            // Without a difference the target has the keys that are yielded.
            let leadsBack =
                sync.back?.mapping == nil || stretch.differenceCount == 0 && stretch.tallies["back"] == yielded
            rows.add(leadsBack ? stretch : try compare(judged?(condition)))
            if stretch.tallies["source"] != yielded { try unplaced.look(where: condition) }
        }
        let stretches = try KeyStretches(of: sync.target, key: sync.key, backend: backend)
        if let section {
            try stretches.forEach(in: section, compareStretch)
        } else {
            try stretches.forEach { condition in
                try KeyStretches.narrows(mapping.select, to: condition, session: backend.session)
            } _: {
                try compareStretch(where: $0)
            }
        }
        return (rows, unplaced)
    }

    private static func tally(of sync: Sync, _ backend: any Backend) throws -> KeyTally? {
        let type = try ColumnComparison(session: backend.session).types(of: backend.quoted(sync.target))[sync.key]
        return KeyTally(types: [type], backend.session)
    }

    /// Sections of the keys that can be compared side by side; a single nil where all are compared at once.
    static func sections(
        of sync: Sync, mapping: MappingSource, _ context: VerificationContext
    ) throws -> [KeySection?] {
        let backend = context.backend
        guard try tally(of: sync, backend) != nil,
            let sections = try KeyStretches(of: sync.target, key: sync.key, backend: backend).sections(where: {
                try KeyStretches.narrows(mapping.select, to: $0, session: backend.session)
            })
        else { return [nil] }
        return sections
    }
}
