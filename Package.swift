// swift-tools-version:6.1
import PackageDescription

let package = Package(
    name: "migrator",
    products: [
        .executable(name: "migrator", targets: ["migrator"])
    ],
    dependencies: [
        // The command line: options, help texts, completions.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        // SHA-256 for script checksums and for the content hash of SQLite backups.
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    ],
    targets: [
        // The databases' own clients. Only MigratorDatabase imports them.
        .systemLibrary(
            name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"]), .brew(["libpq"])]),
        .systemLibrary(
            name: "CSQLite", pkgConfig: "sqlite3",
            providers: [.apt(["libsqlite3-dev"]), .brew(["sqlite"])]),

        .target(
            name: "MigratorScript", dependencies: [.product(name: "Crypto", package: "swift-crypto")]),
        .target(name: "MigratorPlan", dependencies: ["MigratorScript"]),
        .target(
            name: "MigratorDatabase",
            dependencies: [
                "CLibPQ", "CSQLite", "MigratorScript",
                .product(name: "Crypto", package: "swift-crypto"),
            ]),
        .target(
            name: "MigratorEngine", dependencies: ["MigratorScript", "MigratorPlan", "MigratorDatabase"]),
        // migrator.toml. An own reader, since TOMLKit needs Foundation's Date, Calendar and Data, and with them half of
        // the program's size and a fifth of the time that a command without work takes.
        .target(name: "MigratorTOML"),
        .executableTarget(
            name: "migrator",
            dependencies: [
                "MigratorScript", "MigratorPlan", "MigratorDatabase", "MigratorEngine", "MigratorTOML",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            // What the dynamic linker would do at each start is done once: a fixed address spares 52,000 relocations, the
            // C++ library of the Swift runtime and GCC's come along (Sources/Linking; lld reads it, gold does not), and no
            // name is exported. The libraries that speak to the network stay shared, and at random addresses.
            linkerSettings: [
                .unsafeFlags(
                    [
                        "-Xclang-linker", "-no-pie", "-use-ld=lld", "-Xclang-linker", "-Wl,--no-export-dynamic",
                        "-Xclang-linker", "-static-libgcc", "-L", "\(Context.packageDirectory)/Sources/Linking",
                    ], .when(platforms: [.linux], configuration: .release))
            ]),

        .target(
            name: "MigratorTestSupport",
            dependencies: ["MigratorScript", "MigratorDatabase"],
            path: "Tests/MigratorTestSupport"),
        .testTarget(name: "MigratorTOMLTests", dependencies: ["MigratorTOML"]),
        .testTarget(name: "MigratorScriptTests", dependencies: ["MigratorScript", "MigratorTestSupport"]),
        .testTarget(name: "MigratorPlanTests", dependencies: ["MigratorPlan", "MigratorScript"]),
        .testTarget(
            name: "MigratorDatabaseTests", dependencies: ["MigratorDatabase", "MigratorTestSupport"]),
        .testTarget(
            name: "MigratorEngineTests",
            dependencies: ["MigratorEngine", "MigratorDatabase", "MigratorPlan", "MigratorTestSupport"]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: ["migrator", "MigratorDatabase", "MigratorTestSupport"]),
    ],
    swiftLanguageModes: [.v6]
)
