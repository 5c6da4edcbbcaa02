/// Replaces the secrets of a locator by `***` in texts that others wrote: a server may echo what it was sent.
public struct Redactor: Sendable, Equatable {
    /// Longest first, so that a secret which contains another is replaced whole.
    private var secrets: [String]

    /// - Parameter plain: texts that are shown anyway (user, host, database). A secret that equals one of
    ///   them is left alone: replacing it would garble every message and hide nothing.
    public init(secrets: [String], plain: [String] = []) {
        self.secrets = []
        for secret in secrets { add(secret, plain: plain) }
    }

    mutating func add(_ secret: String, plain: [String]) {
        guard !secret.isEmpty, !plain.contains(secret) else { return }
        for form in [secret, secret.percentEncoded] where !secrets.contains(form) { secrets.append(form) }
        secrets.sort { $0.utf8.count > $1.utf8.count }
    }

    public func redact(_ text: String) -> String {
        secrets.reduce(text) { $0.replacing($1, with: "***") }
    }

    public func redact(_ error: DatabaseError) -> DatabaseError {
        guard !secrets.isEmpty else { return error }
        var error = error
        error.message = redact(error.message)
        error.detail = error.detail.map(redact)
        error.hint = error.hint.map(redact)
        error.context = error.context.map(redact)
        return error
    }
}

extension String {
    /// Everything but letters, digits and `-._~` as `%XX` (RFC 3986, 2.1).
    var percentEncoded: String {
        var result = ""
        for byte in utf8 {
            switch byte {
            case 48...57, 65...90, 97...122, 45, 46, 95, 126:
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let hex = String(byte, radix: 16, uppercase: true)
                result += "%" + (hex.utf8.count == 1 ? "0" : "") + hex
            }
        }
        return result
    }
}
