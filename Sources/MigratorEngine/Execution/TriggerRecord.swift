import FoundationEssentials

/// What a sync, ensure or fill left running, as JSON in the ledger's `object` table.
struct TriggerRecord: Codable, Equatable {
    /// Unqualified names, as the script gives them.
    var source: String
    var target: String
    /// The function's quoted and qualified name; PostgreSQL only.
    var function: String
    /// Quoted and qualified table, quoted trigger.
    var triggers: [Trigger]
    /// md5 of the function's text as the server keeps it; nil on SQLite, whose triggers hold their own.
    var bodyHash: String?
    /// The table in which they note deleted keys, quoted and qualified; PostgreSQL only.
    var deletionLog: String?

    struct Trigger: Codable, Equatable {
        var table: String
        var name: String
    }

    var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        // Strings only: encoding them cannot fail.
        guard let data = try? encoder.encode(self) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    init(
        source: String, target: String, function: String, triggers: [Trigger], bodyHash: String? = nil,
        deletionLog: String? = nil
    ) {
        self.source = source
        self.target = target
        self.function = function
        self.triggers = triggers
        self.bodyHash = bodyHash
        self.deletionLog = deletionLog
    }

    init?(json: String) {
        guard let record = try? JSONDecoder().decode(TriggerRecord.self, from: Data(json.utf8)) else { return nil }
        self = record
    }
}
