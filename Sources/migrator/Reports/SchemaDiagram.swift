/// One side of the schema as an SVG: a box a table below each other, each as high as its twin on the other side, and
/// foreign keys as arcs in the margin.
struct SchemaDiagram {
    let pairs: [SchemaPair]
    let isBefore: Bool

    private static let width = 356
    private static let box = 300
    private static let line = 20
    private static let head = 30
    private static let gap = 22
    /// The arcs' margin lies on the outer side.
    private var left: Int { isBefore ? Self.width - Self.box - 1 : 1 }

    private struct Place {
        var pair: SchemaPair
        var y: Int
        var rows: [SchemaPair.Row]
        var outline: RelationOutline?
        /// Of both sides.
        var height: Int
    }

    private var places: [Place] {
        var y = 1
        return pairs.map { pair in
            let count = max(pair.before?.columns.count ?? 0, pair.after?.columns.count ?? 0)
            let height = Self.head + max(1, count) * Self.line + 8
            defer { y += height + Self.gap }
            return Place(
                pair: pair, y: y, rows: pair.rows(isBefore: isBefore), outline: isBefore ? pair.before : pair.after,
                height: height)
        }
    }

    var svg: String {
        let places = self.places
        let height = places.last.map { $0.y + $0.height + 2 } ?? 0
        let title = isBefore ? "The schema before the run" : "The schema after the run"
        return """
            <svg class="diagram" viewBox="0 0 \(Self.width) \(height)" role="img" aria-label="\(title)">
            \(arcs(places).joined(separator: "\n"))
            \(places.map(box).joined(separator: "\n"))
            </svg>
            """
    }

    private func box(_ place: Place) -> String {
        guard let outline = place.outline else {
            let word = isBefore ? "not there yet" : "gone"
            return """
                <rect class="absent" x="\(left)" y="\(place.y)" width="\(Self.box)" height="\(place.height)" rx="8"/>
                <text class="absent" x="\(left + Self.box / 2)" y="\(place.y + place.height / 2 + 4)" text-anchor="middle">\(word)</text>
                """
        }
        let mark: String =
            if place.pair.isMoved {
                "moved"
            } else if isBefore && place.pair.after == nil {
                "removed"
            } else if !isBefore && place.pair.before == nil {
                "added"
            } else {
                "same"
            }
        let kind = outline.kind == .view ? " (view)" : ""
        let own = Self.head + max(1, outline.columns.count) * Self.line + 8
        var parts = [
            "<rect class=\"box \(mark)\" x=\"\(left)\" y=\"\(place.y)\" width=\"\(Self.box)\" height=\"\(own)\" rx=\"8\"/>",
            "<path class=\"head \(mark)\" d=\"M\(left) \(place.y + 8)q0 -8 8 -8h\(Self.box - 16)q8 0 8 8v\(Self.head - 8)h-\(Self.box)z\"/>",
            "<text class=\"name\" x=\"\(left + 12)\" y=\"\(place.y + 20)\">\(shortened(outline.name, 34))\(kind)</text>",
        ]
        let tag =
            switch mark {
            case "moved": isBefore ? "becomes ↘" : "was \(place.pair.before?.name ?? "")"
            case "same": ""
            default: mark
            }
        if !tag.isEmpty {
            parts.append(
                "<text class=\"tag \(mark)\" x=\"\(left + Self.box - 12)\" y=\"\(place.y + 20)\" text-anchor=\"end\">\(shortened(tag, 22))</text>"
            )
        }
        for (index, row) in place.rows.enumerated() {
            parts.append(self.row(row, y: place.y + Self.head + index * Self.line + 18))
        }
        return parts.joined(separator: "\n")
    }

    private func row(_ row: SchemaPair.Row, y: Int) -> String {
        let (sign, name): (String, String) =
            switch row.mark {
            case .same: ("", "same")
            case .added: ("+", "added")
            case .removed: ("−", "removed")
            case .changed: ("~", "changed")
            }
        let key = row.column.isKey ? "<tspan class=\"key\"> key</tspan>" : ""
        let type = shortened(row.column.type, 16) + (row.column.isRequired || row.column.isKey ? "" : "?")
        // What room the name and the type leave on the line.
        let room = 38 - min(row.column.name.count, 26) - type.count - (row.column.isKey ? 4 : 0)
        let reference =
            row.column.refersTo.map { target in
                "<tspan class=\"key\"> →\(room >= 5 ? " " + shortened(target, room) : "")</tspan>"
            } ?? ""
        var band = ""
        if row.mark != .same {
            band =
                "<rect class=\"band \(name)\" x=\"\(left + 1)\" y=\"\(y - 14)\" width=\"\(Self.box - 2)\" height=\"\(Self.line)\"/>"
        }
        return """
            \(band)<text class="sign \(name)" x="\(left + 12)" y="\(y)">\(sign)</text><text class="column \(name)" x="\(left + 26)" y="\(y)">\(shortened(row.column.name, 26))\(key)\(reference)</text><text class="type" x="\(left + Self.box - 12)" y="\(y)" text-anchor="end">\(type)</text>
            """
    }

    /// From a column to the head of the table that it refers to, where that is drawn as well.
    private func arcs(_ places: [Place]) -> [String] {
        var arcs: [String] = []
        let edge = isBefore ? left : left + Self.box
        let sign = isBefore ? -1 : 1
        for place in places {
            guard place.outline != nil else { continue }
            for (index, row) in place.rows.enumerated() {
                guard let name = row.column.refersTo,
                    let target = places.first(where: { $0.outline?.name == name && $0.outline?.kind == .table })
                else { continue }
                let from = place.y + Self.head + index * Self.line + 13
                let to = target.y + Self.head / 2
                // The farther apart, the wider.
                let reach = min(50, 14 + abs(from - to) / 24) * sign
                let mark: String =
                    switch row.mark {
                    case .same: place.outline?.name == name ? "same own" : "same"
                    case .added: "added"
                    case .removed: "removed"
                    case .changed: "changed"
                    }
                arcs.append(
                    "<path class=\"arc \(mark)\" d=\"M\(edge) \(from)C\(edge + reach) \(from) \(edge + reach) \(to) \(edge) \(to)\"/><circle class=\"arc-end \(mark)\" cx=\"\(edge)\" cy=\"\(to)\" r=\"3\"/>"
                )
            }
        }
        return arcs
    }

    private func shortened(_ text: String, _ length: Int) -> String {
        ReportText.escaped(text.count <= length ? text : text.prefix(length - 1) + "…")
    }
}

extension HTMLReport {
    var schema: String {
        let pairs = SchemaPair.pairs(of: view.details)
        let drawn = pairs.filter { !($0.before?.columns ?? []).isEmpty || !($0.after?.columns ?? []).isEmpty }
        var parts: [String] = []
        if pairs.isEmpty { parts.append("<p class=\"quiet\">What the run changed, it changed back.</p>") }
        if !drawn.isEmpty {
            parts.append(
                """
                <p class="legend"><span class="added">+ added</span> <span class="removed">− removed</span>
                <span class="changed">~ changed</span> <span><b>?</b> may be null</span> <span>arcs: foreign keys</span></p>
                <div class="schemas"><div><h3>Before</h3>
                \(SchemaDiagram(pairs: drawn, isBefore: true).svg)</div>
                <div><h3>After</h3>
                \(SchemaDiagram(pairs: drawn, isBefore: false).svg)</div></div>
                """)
        }
        parts += pairs.map(differences)
        return parts.joined(separator: "\n")
    }

    /// Every fact that differs, also those that a diagram has no place for.
    private func differences(_ pair: SchemaPair) -> String {
        let name =
            pair.isMoved
            ? "\(pair.before?.name ?? "") → \(pair.after?.name ?? "")" : (pair.after ?? pair.before)?.name ?? ""
        let removed = pair.missing.map { "<li class=\"removed\"><span>−</span> \(escaped($0))</li>" }
        let added = pair.added.map { "<li class=\"added\"><span>+</span> \(escaped($0))</li>" }
        return """
            <details class="facts-of"><summary>\(escaped(name)) <small>\(escaped("−\(removed.count) +\(added.count)"))</small></summary>
            <ul class="difference">\((removed + added).joined(separator: "\n"))</ul></details>
            """
    }
}
