/// `sqitch.plan` with the changes in their order, and their scripts in `deploy` and `revert`. Scripts begin and end
/// their own transactions. A change that is reworked has its earlier script under the name of the tag behind it.
enum SqitchFormat: FormatReader {
    static let format = ScriptFormat.sqitch

    static func evidence(in folder: ForeignFolder) -> String? {
        folder.names.first { $0 == "sqitch.plan" }
            ?? (folder.has("sqitch.conf") ? "sqitch.conf" : nil)
    }

    private struct Change {
        var name: String
        var note: String
        var line: Range<Int>
        /// The first tag behind it.
        var tag: String?
    }

    static func revisions(in folder: ForeignFolder) throws(ScriptError) -> [ForeignRevision] {
        let settings = try folder.readIfThere("sqitch.conf")
        let top = settings?.setting("top_dir").map { $0 == "." || $0.isEmpty ? "" : $0 + "/" } ?? ""
        let planName = settings?.setting("plan_file") ?? top + "sqitch.plan"
        guard folder.has(planName) else {
            throw folder.error(
                "missing-plan", "there is no \"\(planName)\"", hint: "name the folder that holds sqitch.plan",
                in: planName)
        }
        let plan = try folder.read(planName)
        let deploy = settings?.setting("deploy_dir") ?? top + "deploy"
        let revert = settings?.setting("revert_dir") ?? top + "revert"
        let changes = try changes(in: plan)
        var revisions: [ForeignRevision] = []
        for (index, change) in changes.enumerated() {
            let isReworked = changes[(index + 1)...].contains { $0.name == change.name }
            guard !isReworked || change.tag != nil else {
                throw plan.error(
                    "malformed-plan", "the change \"\(change.name)\" is reworked without a tag between",
                    hint: "tag the first one", at: change.line.lowerBound)
            }
            let stem = change.name + (isReworked ? "@" + (change.tag ?? "") : "")
            guard folder.has("\(deploy)/\(stem).sql") else {
                throw plan.error(
                    "missing-script", "the plan's change \"\(change.name)\" has no script \"\(deploy)/\(stem).sql\"",
                    hint: "bring the script back", at: change.line.lowerBound)
            }
            let down = try folder.readIfThere("\(revert)/\(stem).sql").map { ForeignPart($0) }
            revisions.append(
                ForeignRevision(
                    stem, change.note, format, version: change.name,
                    upgrade: ForeignPart(try folder.read("\(deploy)/\(stem).sql")), downgrade: down,
                    irreversibleReason: "there is no \(revert)/\(stem).sql"))
        }
        return revisions
    }

    /// Lines `name [needed changes] time planner # note` and `@tag ...`.
    private static func changes(in plan: SourceText) throws(ScriptError) -> [Change] {
        var changes: [Change] = []
        for line in plan.lines {
            let text = plan.trimmed(line)
            if text.isEmpty || text.hasPrefix("#") || text.hasPrefix("%") { continue }
            var words = text.split { $0 == " " || $0 == "\t" }.map(String.init)
            if words[0] == "+", words.count > 1 { words.removeFirst() }
            if words[0].hasPrefix("@") {
                let tag = String(words[0].dropFirst())
                for index in changes.indices where changes[index].tag == nil { changes[index].tag = tag }
                continue
            }
            guard words[0] != "-", !words[0].hasPrefix("-") else {
                throw plan.error(
                    "malformed-plan", "the plan takes a change back in the middle, which is not understood",
                    hint: "write a change that reworks it", at: line.lowerBound)
            }
            let name = words[0].hasPrefix("+") ? String(words[0].dropFirst()) : words[0]
            let note = text.split(separator: "#", maxSplits: 1).dropFirst().first.map(String.init) ?? ""
            changes.append(
                Change(
                    name: name, note: note.split(separator: " ").joined(separator: " ").nonEmptyOr(name.asMessage),
                    line: line))
        }
        return changes
    }
}

extension String {
    fileprivate func nonEmptyOr(_ other: String) -> String { isEmpty ? other : self }
}
