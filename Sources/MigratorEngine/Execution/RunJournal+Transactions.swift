/// Which transactions kept writers waiting, and for how long.
extension RunJournal {
    /// The transaction that is open, or being tried.
    struct Transaction {
        /// Of the first of several attempts.
        var firstTry: ContinuousClock.Instant?
        var attempts = 0
        /// When its locks were had.
        var began: (at: ContinuousClock.Instant, offset: Duration)?
        /// The last attempt that had its locks and was rolled back.
        var undone: (at: ContinuousClock.Instant, offset: Duration, held: Duration)?
        var locks: [String] = []
        /// Whether it holds locks that writers feel.
        var isWatched = false
        /// The steps that began inside.
        var steps: [String] = []

        mutating func forgetAttempts() {
            guard began == nil else { return }
            self = Transaction()
        }
    }

    /// - Parameter locks: those that it takes at once, for people.
    func transactionTried(locks: [String]) {
        if transaction.firstTry == nil { transaction.firstTry = .now }
        transaction.began = nil
        transaction.locks = locks
        transaction.steps = []
        transaction.isWatched = !locks.isEmpty
        transaction.attempts += 1
    }

    /// The locks that it takes at once are had.
    func transactionBegan() { transaction.began = (.now, now) }

    /// Its statements may take locks that writers feel.
    func watchLocks() { transaction.isWatched = true }

    var isWatchingLocks: Bool { transaction.began != nil && transaction.isWatched }

    /// The locks that it holds before its end, as the database says.
    func hold(_ locks: [String]) {
        transaction.locks = locks
        if locks.isEmpty { transaction.isWatched = false }
    }

    func transactionEnded(isCommitted: Bool) {
        settle(isCommitted: isCommitted)
        guard let began = transaction.began else { return }
        let held = began.at.duration(to: .now)
        if isCommitted {
            if transaction.isWatched { addSection(began, held: held, .committed) }
            transaction = Transaction()
            return
        }
        // Steps that began inside are taken back with it.
        let offset = began.offset.milliseconds
        for index in pending.activities.indices
        where pending.activities[index].isStep && pending.activities[index].startedMilliseconds >= offset
            && pending.activities[index].outcome == .done
        {
            pending.activities[index].outcome = .rolledBack
        }
        if let step, step.startedMilliseconds >= offset { endStep(.failed) }
        transaction.undone = (began.at, began.offset, held)
        transaction.began = nil
    }

    /// A transaction that never came to its commit.
    func endTransactionUnfinished() {
        if transaction.firstTry != nil, transaction.isWatched || transaction.attempts > 1 {
            let last = transaction.undone ?? (.now, now, .zero)
            addSection((last.at, last.offset), held: last.held, .rolledBack)
        }
        transaction = Transaction()
    }

    private func addSection(
        _ began: (at: ContinuousClock.Instant, offset: Duration), held: Duration,
        _ outcome: CriticalSectionRecord.Outcome
    ) {
        sectionCount += 1
        guard sectionCount <= Self.sectionsPerRevision else { return }
        var place = self.place
        if place.title.isEmpty {
            let steps = transaction.steps
            place.title = steps.isEmpty ? "ledger" : steps.count == 1 ? steps[0] : "\(steps.count) steps at once"
        }
        let waited = (transaction.firstTry ?? began.at).duration(to: began.at)
        pending.sections.append(
            CriticalSectionRecord(
                revision: place.revision, direction: place.direction, title: place.title,
                locks: transaction.locks.joined(separator: "\n"), attempts: max(1, transaction.attempts),
                startedMilliseconds: began.offset.milliseconds, waitedMicroseconds: waited.microseconds,
                heldMicroseconds: held.microseconds, outcome: outcome))
    }
}

extension Duration {
    /// Whole microseconds.
    var microseconds: Int {
        let (seconds, attoseconds) = components
        return Int(seconds) * 1_000_000 + Int(attoseconds / 1_000_000_000_000)
    }
}
