import MigratorScript

/// The strategy copy of a switch is refused on PostgreSQL, before a row moves: the transaction is rolled back.
extension PostgreSQLBackend {
    func performCopySwitch(_ move: Move, context: StepContext) throws -> StepOutcome {
        throw copyRefusal(move.source, move.target)
    }

    func revertCopySwitch(
        _ move: Move, record: SwitchRecord, target: CatalogRelation, context: StepContext
    ) throws -> StepOutcome {
        throw copyRefusal(move.source, move.target)
    }

    private func copyRefusal(_ source: TableName, _ target: TableName) -> MigratorError {
        MigratorError(
            "copy-unsupported", .refused,
            "\"\(source)\" can become \"\(target)\" only by copying its rows, which a switch on PostgreSQL does not do",
            hint:
                "declare \"\(target)\" so that a rename reaches it (`migrator plan` says what is in the way)")
    }
}
