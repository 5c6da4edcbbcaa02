/// Where scripts without a fixed place stand: Flyway's repeatable scripts run again whenever they have changed, and its
/// baseline stands for the versions before it in an empty database.
extension Array where Element == Script {
    /// The scripts in the order that a database has run them and will run them, each revising the one before it.
    /// - Parameter applied: what the database has, in its order; a former text of a repeatable script is among it.
    public func arranged(applied: [Script]) -> [Script] {
        guard contains(where: { ($0.origin?.role ?? .versioned) != .versioned }) else { return self }
        let own = Dictionary(map { ($0.revision, $0) }, uniquingKeysWith: { first, _ in first })
        let isApplied = Set(applied.map(\.revision))
        var versions = filter { $0.origin?.role != .repeatable }
        if let index = versions.firstIndex(where: { $0.origin?.role == .baseline }) {
            let hasStarted = versions.contains { $0.origin?.role != .baseline && isApplied.contains($0.revision) }
            if isApplied.contains(versions[index].revision) || !hasStarted {
                versions.removeFirst(index)
            } else {
                versions.remove(at: index)
            }
        }
        var order: [Script] = []
        var waiting = versions[...]
        for script in applied {
            guard let file = own[script.revision] else {
                if script.isRepeatable { order.append(script) }
                continue
            }
            if file.origin?.role != .repeatable, let index = waiting.firstIndex(where: { $0.revision == file.revision })
            {
                // One that was passed over stands where its version belongs.
                order += waiting[...index]
                waiting = waiting[(index + 1)...]
            } else if file.origin?.role == .repeatable {
                order.append(file)
            }
        }
        order += waiting
        order += filter { $0.origin?.role == .repeatable && !isApplied.contains($0.revision) }
        return order.enumerated().map { index, script in
            script.revising(index == 0 ? nil : order[index - 1].revision)
        }
    }
}

extension Script {
    /// Runs again whenever its file has changed; as a file, or as a ledger keeps it.
    public var isRepeatable: Bool {
        origin?.role == .repeatable || origin?.format == .flyway && revision.hasPrefix("R.")
    }

    /// The script behind another parent.
    fileprivate func revising(_ parent: String?) -> Script {
        guard origin != nil, revises != parent else { return self }
        var text = text
        var lines = text.split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false)
        if lines.count == 3, lines[1].hasPrefix("-- migrator:revises ") {
            lines[1] = "-- migrator:revises \(parent ?? "base")"
            text = lines.joined(separator: "\n")
        }
        guard let sections = try? sections() else { return self }
        return Script(
            location: location, dialect: dialect, revision: revision, revises: parent,
            revisesLocation: revisesLocation, message: message, isTransactional: isTransactional,
            upgrade: sections.upgrade, downgrade: sections.downgrade, checksum: checksum, text: text, origin: origin)
    }
}
