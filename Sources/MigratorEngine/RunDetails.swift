import MigratorScript

/// A row of `run`.
public struct RunRecord: Sendable, Equatable {
    public var id: Int
    public var command: String
    /// Nil for a run that was neither an upgrade nor a downgrade.
    public var direction: Direction?
    public var from: String?
    /// The target as it was given.
    public var to: String?
    /// `done`, `failed`, `interrupted`, `refused`, ...; `running`, also for one that was killed and that no other has
    /// followed yet, else `killed`.
    public var outcome: String
    /// `code: message`
    public var error: String?
    public var toolVersion: String
    public var user: String?
    public var host: String?
    /// ISO 8601, UTC.
    public var startedAt: String
    /// Of a killed run: when the next one found it so.
    public var finishedAt: String?
    /// From beginning to end by the database's clock; nil where there was no end.
    public var milliseconds: Int?
}

/// Everything that the ledger holds of one run: what its report shows.
public struct RunDetails: Sendable, Equatable {
    /// Rows that no mapping could place, of revisions that the run has worked on.
    public struct ExceptionCount: Sendable, Equatable {
        public var revision: String
        public var table: String
        public var reason: String
        public var rows: Int
    }
    /// A relation before and after.
    public struct SchemaChange: Sendable, Equatable {
        public var revision: String
        public var change: FingerprintRecord
    }
    /// A proof with its time.
    public struct Proof: Sendable, Equatable {
        public var record: ProofRecord
        /// ISO 8601, UTC.
        public var madeAt: String
    }

    public var run: RunRecord
    public var dialect: Dialect
    /// False for a run of a version that measured nothing but steps: then there are no activities, samples, critical
    /// sections and sizes.
    public var isMeasured: Bool
    /// Steps that are done, in their order.
    public var steps: [StepRecord]
    public var activities: [ActivityRecord]
    public var samples: [SampleRecord]
    public var sections: [CriticalSectionRecord]
    public var sizes: [SizeRecord]
    public var changes: [SchemaChange]
    public var proofs: [Proof]
    /// Those that the run made, also where they are gone by now.
    public var backups: [BackupRecord]
    public var exceptions: [ExceptionCount]
}
