/// Figures as people read them.
extension Int {
    /// `100,000`
    package var grouped: String {
        let digits = Array(String(magnitude))
        var result = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { result.append(",") }
            result.append(digit)
        }
        return (self < 0 ? "-" : "") + result
    }

    /// `1 row`, `2 rows`; with what follows in both numbers where a verb does.
    package func counted(_ noun: String, _ plural: String? = nil) -> String {
        "\(grouped) \(self == 1 ? noun : plural ?? noun + "s")"
    }

    /// Of bytes: `512 B`, `14 MiB`, `3.2 GiB`
    package var bytes: String {
        let units = ["B", "KiB", "MiB", "GiB"]
        var value = Double(self)
        var unit = 0
        while value >= 1024, unit < 3 {
            value /= 1024
            unit += 1
        }
        let tenths = Int((value * 10).rounded())
        guard tenths < 100, tenths % 10 > 0 else { return "\(Int(value.rounded())) \(units[unit])" }
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}
