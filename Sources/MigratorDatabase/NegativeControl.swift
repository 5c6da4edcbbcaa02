#if canImport(Glibc)
    import Glibc
#endif

/// A mechanism of safety that a test leaves out on purpose, to see that the harness notices
/// (`MIGRATOR_LEAVE_OUT=guard`). Only debug builds know it; a released binary has all of them, whatever is set.
public enum NegativeControl: String, Sendable {
    /// What makes a row raise 40001 that a trigger is to take away and does not see (ONLINE.md H1).
    case guardOfDeletes = "guard"
    /// The row locks of the backfill.
    case rowLock = "row-lock"
    /// What was deleted beside a batch without row locks is taken out again.
    case deletionLog = "deletion-log"
    /// It is waited for who deletes while such batches end.
    case olderWriters = "older-writers"
    /// The upsert: the trigger only changes rows that have been copied.
    case upsert = "upsert"
    /// The trigger comes before the backfill: without this, after it.
    case earlyTrigger = "early-trigger"
    /// The trigger runs whoever writes: without this, not for writes of other triggers and cascades (H4).
    case nestedWrites = "nested-writes"
    /// A row that another trigger has written again meanwhile is read as it stands.
    case nestedOrder = "nested-order"
    /// What changes beside a row that is led back is led over by its changes alone.
    case leadingBack = "leading-back"
    /// A row to which another refers is led over first.
    case rowsAbove = "rows-above"
    /// SQLite: the triggers that follow the application's writes.
    case trigger = "trigger"
    /// SQLite: a reply that is copied before its turn brings the messages above it along.
    case parents = "parents"
    /// SQLite: the trigger that leads an update of a two-way sync's target back.
    case wayBack = "way-back"
    /// The target is no stricter than its source while rows are copied (H8).
    case relaxedTarget = "relaxed-target"
    /// The clean comparison before the cut-over.
    case comparison = "comparison"
    /// Row-level security is an error and hides nothing.
    case rowSecurity = "row-security"
    /// A backup is looked at before anything is done with it or by it.
    case backupContent = "backup-content"
    /// A table to which a subscription writes is neither switched nor followed.
    case subscriptions = "subscriptions"
    /// The triggers of a move fire under the replica role, too.
    case replicaRole = "replica-role"
    /// A table is not cut over that was emptied or got a partition behind the comparison.
    case storage = "storage"
    /// A table whose key is looked at when a transaction ends is not followed.
    case deferrableKeys = "deferrable-keys"

    #if DEBUG
        private static let leftOut: Set<String> = Set(
            (getenv("MIGRATOR_LEAVE_OUT").map { String(cString: $0) } ?? "").split(separator: ",").map(String.init))
        public var isLeftOut: Bool { Self.leftOut.contains(rawValue) }
    #else
        public var isLeftOut: Bool { false }
    #endif
}
