extension HTMLReport {
    /// Two sets of colours, one for paper, and a layout that folds on narrow screens.
    static let style = """
        :root {
          --page: #f6f7f9; --card: #ffffff; --ink: #16202c; --soft: #566273; --rule: #dfe4ea; --faint: #eef1f5;
          --accent: #2f5fc4; --accent-soft: #8aa7e4; --rate: #0f766e; --batch: #9a5b00;
          --good: #11733f; --good-soft: #e2f4e9; --bad: #b42323; --bad-soft: #fdeaea;
          --careful: #8a5800; --careful-soft: #fdf2da; --hold: #c2410c;
        }
        @media (prefers-color-scheme: dark) { :root {
          --page: #10151c; --card: #18202a; --ink: #e8edf4; --soft: #9aa8ba; --rule: #2c3745; --faint: #212b37;
          --accent: #7ba2f7; --accent-soft: #3f61ad; --rate: #4fc3b5; --batch: #e0a24a;
          --good: #62cf93; --good-soft: #163325; --bad: #ff8f8f; --bad-soft: #3d1d20;
          --careful: #eebf62; --careful-soft: #3a2d13; --hold: #ff9d66;
        } }
        @media print { :root {
          --page: #fff; --card: #fff; --ink: #000; --soft: #444; --rule: #ccc; --faint: #f2f2f2;
          --accent: #2f5fc4; --accent-soft: #8aa7e4; --rate: #0f766e; --batch: #9a5b00;
          --good: #11733f; --good-soft: #fff; --bad: #b42323; --bad-soft: #fff;
          --careful: #8a5800; --careful-soft: #fff; --hold: #c2410c;
        } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI",
          Roboto, "Helvetica Neue", sans-serif; -webkit-text-size-adjust: 100%; print-color-adjust: exact;
          -webkit-print-color-adjust: exact; }
        main { max-width: 1120px; margin: 0 auto; padding: 32px 24px 48px; }
        h1 { margin: 4px 0 16px; font-size: 28px; line-height: 1.2; font-weight: 650; letter-spacing: -0.01em;
          overflow-wrap: anywhere; }
        h2 { margin: 0 0 14px; font-size: 18px; font-weight: 650; }
        h3 { margin: 18px 0 6px; font-size: 14px; font-weight: 650; }
        h3 small, figcaption small, summary small, td small { font-weight: 400; color: var(--soft); font-size: 13px; }
        p { margin: 0 0 12px; max-width: 76ch; }
        code { font: 0.92em ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
        small { font-size: 13px; }
        section, .tile { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; }
        section { padding: 22px 24px; margin-top: 18px; }
        .quiet, footer { color: var(--soft); }
        .quiet:last-child, p:last-child { margin-bottom: 0; }
        footer { margin-top: 22px; font-size: 13px; max-width: 80ch; }
        .eyebrow { margin: 0; color: var(--soft); display: flex; gap: 10px; align-items: center; }
        .facts { display: flex; flex-wrap: wrap; gap: 6px 28px; margin: 0 0 6px; }
        .facts div { min-width: 0; } .facts dt, .tile dt { color: var(--soft); font-size: 13px; }
        .facts dd { margin: 0; overflow-wrap: anywhere; }
        .problem, .notice { margin-top: 14px; padding: 12px 16px; border-radius: 8px; max-width: none;
          overflow-wrap: anywhere; border-left: 4px solid; }
        .problem { background: var(--bad-soft); border-color: var(--bad); }
        .notice { background: var(--careful-soft); border-color: var(--careful); }
        .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 12px; margin: 18px 0 0; }
        .tile { padding: 14px 16px; } .tile dd { margin: 0; font-size: 22px; font-weight: 650; line-height: 1.3; }
        .tile dd.aside { font-size: 13px; font-weight: 400; color: var(--soft); }
        .badge { display: inline-block; padding: 1px 9px; border-radius: 99px; font-size: 13px; font-weight: 600;
          white-space: nowrap; }
        .badge.good { color: var(--good); background: var(--good-soft); }
        .badge.bad { color: var(--bad); background: var(--bad-soft); }
        .badge.careful { color: var(--careful); background: var(--careful-soft); }
        .badge.plain { color: var(--soft); background: var(--faint); }
        .figure, .tile dd, .axis, .scale, .span { font-variant-numeric: tabular-nums; }

        .timeline h3 { padding-top: 10px; border-top: 1px solid var(--rule); } .verb { color: var(--soft); font-weight: 500; }
        .mode { font-weight: 500; font-size: 12px; color: var(--soft); border: 1px solid var(--rule); border-radius: 99px;
          padding: 0 8px; }
        .row { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 7fr) 76px; gap: 14px; align-items: center;
          padding: 3px 0; }
        .row .name { overflow-wrap: anywhere; line-height: 1.35; } .row.plain .name { color: var(--soft); font-size: 14px; }
        .row .rows { color: var(--soft); font-size: 13px; white-space: nowrap; } .row .figure { text-align: right; }
        .track { position: relative; height: 16px; background: var(--faint); border-radius: 4px; overflow: hidden; }
        .axis .track { background: none; overflow: visible; font-size: 12px; color: var(--soft); }
        .axis .track span { position: absolute; padding-left: 4px; border-left: 1px solid var(--rule); line-height: 16px;
          white-space: nowrap; }
        .bar { position: absolute; top: 0; bottom: 0; min-width: 3px; background: var(--accent); border-radius: 3px;
          overflow: hidden; }
        .phase { position: absolute; top: 0; bottom: 0; background: var(--accent); border-left: 1px solid var(--card); }
        .phase:first-child { border-left: 0; } .phase.even { background: var(--accent-soft); }
        .failed .bar, .failed .phase { background: var(--bad); }
        .rolled-back .bar { background: repeating-linear-gradient(45deg, var(--soft) 0 3px, transparent 3px 6px); }
        .fold { margin: 0; } .fold > summary { list-style: none; padding: 0; color: inherit; }
        .fold > summary::-webkit-details-marker { display: none; } .fold[open] > .row { margin-left: 14px; }
        .fold > summary .name::after { content: " ▸"; color: var(--accent); } .fold[open] > summary .name::after { content: " ▾"; }
        .waits .name { color: var(--hold); font-weight: 600; }
        .hold { position: absolute; top: 0; bottom: 0; min-width: 3px; background: var(--hold); border-radius: 2px; }

        figure { margin: 0 0 26px; } figure:last-child { margin-bottom: 0; }
        figcaption { font-weight: 600; margin-bottom: 8px; overflow-wrap: anywhere; }
        figcaption small { display: block; }
        .chart { display: grid; grid-template-columns: 62px minmax(0, 1fr); gap: 2px 8px; margin-bottom: 8px; }
        .chart svg { width: 100%; height: 84px; display: block; }
        .chart.batch svg { height: 52px; }
        .scale { display: flex; flex-direction: column; justify-content: space-between; text-align: right; font-size: 12px;
          line-height: 1; color: var(--soft); }
        .unit { grid-column: 2; font-size: 12px; } .unit em { color: var(--careful); font-style: normal; }
        .rate .unit { color: var(--rate); } .batch .unit { color: var(--batch); }
        .chart path, .chart rect { vector-effect: non-scaling-stroke; }
        .grid { stroke: var(--rule); fill: none; stroke-width: 1; }
        .line { fill: none; stroke-width: 1.75; stroke-linejoin: round; } .area { opacity: 0.16; }
        .rate .line { stroke: var(--rate); } .rate .area { fill: var(--rate); }
        .batch .line { stroke: var(--batch); } .batch .area { fill: var(--batch); } .pause { fill: var(--careful); opacity: 0.22; }
        .span { display: flex; justify-content: space-between; margin-left: 70px; font-size: 12px; color: var(--soft); }

        .row:last-child, .fold:last-child { margin-bottom: 8px; }
        .scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 14px; }
        th { text-align: left; font-weight: 600; color: var(--soft); font-size: 13px; white-space: nowrap; }
        th, td { padding: 7px 14px 7px 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
        th:last-child, td:last-child { padding-right: 0; } tbody tr:last-child td { border-bottom: 0; }
        td { overflow-wrap: break-word; } th.figure, td.figure { text-align: right; white-space: nowrap; overflow-wrap: normal; }
        td ul { margin: 0; padding-left: 16px; } td small { display: block; }
        .lock { display: block; } .pair { white-space: normal; margin-right: 8px; overflow-wrap: anywhere; } .pair span { color: var(--soft); }
        .hash { font-size: 12px; color: var(--soft); }
        .meter { display: block; width: 96px; height: 5px; margin: 4px 0 0 auto; background: var(--faint); border-radius: 3px;
          overflow: hidden; }
        .meter i { display: block; height: 100%; min-width: 1px; background: var(--hold); }
        .meter.before i { background: var(--accent-soft); } .meter.after i { background: var(--accent); }
        details { margin-top: 12px; } summary { cursor: pointer; color: var(--accent); padding: 4px 0; overflow-wrap: anywhere; }
        details .scroll { max-height: 420px; overflow: auto; }

        .legend { display: flex; flex-wrap: wrap; gap: 4px 18px; color: var(--soft); font-size: 13px; }
        .added { color: var(--good); } .removed { color: var(--bad); } .changed { color: var(--careful); }
        .schemas { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 20px; justify-items: center;
          margin-bottom: 10px; }
        .schemas > div { width: 100%; max-width: 440px; } .schemas h3 { margin-top: 0; }
        .diagram { width: 100%; display: block; font-size: 12px; }
        .diagram .box { fill: var(--card); stroke: var(--rule); } .diagram .box.added { stroke: var(--good); }
        .diagram .box.removed { stroke: var(--bad); } .diagram .box.moved { stroke: var(--accent); }
        .diagram .head { fill: var(--faint); } .diagram .head.added { fill: var(--good-soft); }
        .diagram .head.removed { fill: var(--bad-soft); } .diagram .name { font-weight: 650; font-size: 13px; }
        .diagram text { fill: var(--ink); } .diagram .type, .diagram .key { fill: var(--soft); font-size: 11px; }
        .diagram .tag { font-size: 11px; fill: var(--soft); } .diagram .tag.added, .diagram .sign.added { fill: var(--good); }
        .diagram .tag.removed, .diagram .sign.removed { fill: var(--bad); } .diagram .tag.moved { fill: var(--accent); }
        .diagram .sign { font-weight: 700; } .diagram .sign.changed { fill: var(--careful); }
        .diagram .column.removed { text-decoration: line-through; text-decoration-color: var(--bad); }
        .diagram .band.added { fill: var(--good-soft); } .diagram .band.removed { fill: var(--bad-soft); }
        .diagram .band.changed { fill: var(--careful-soft); }
        .diagram rect.absent { fill: none; stroke: var(--rule); stroke-dasharray: 4 4; } .diagram text.absent { fill: var(--soft); }
        .arc { fill: none; stroke: var(--soft); stroke-width: 1.2; opacity: 0.75; } .arc-end { fill: var(--soft); }
        .arc.added { stroke: var(--good); } .arc-end.added { fill: var(--good); }
        .arc.removed { stroke: var(--bad); } .arc-end.removed { fill: var(--bad); }
        .difference { list-style: none; margin: 4px 0 0; padding: 0; font: 12.5px/1.5 ui-monospace, "SF Mono", Menlo, Consolas,
          monospace; } .difference li { padding-left: 18px; text-indent: -18px; overflow-wrap: anywhere; white-space: pre-wrap; }

        @media (max-width: 700px) {
          main { padding: 20px 14px 32px; } section { padding: 16px 14px; margin-top: 12px; } h1 { font-size: 22px; }
          .tiles { grid-template-columns: 1fr 1fr; gap: 8px; } .tile { padding: 10px 12px; } .tile dd { font-size: 18px; }
          .row { grid-template-columns: minmax(0, 1fr) auto; gap: 2px 10px; padding: 5px 0; }
          .row .track { grid-column: 1 / -1; grid-row: 2; height: 12px; } .axis > div:first-child { display: none; }
          .axis > div:last-child { display: none; }
          .chart { grid-template-columns: 46px minmax(0, 1fr); } .span { margin-left: 54px; }
          .schemas { grid-template-columns: minmax(0, 1fr); }
          section > .scroll thead, section > details:not(.facts-of) > .scroll thead { display: none; }
          section > .scroll tr { display: block; padding: 8px 0; border-bottom: 1px solid var(--rule); }
          section > .scroll tr:last-child { border-bottom: 0; }
          section > .scroll td { display: grid; grid-template-columns: 84px minmax(0, 1fr); gap: 10px; padding: 2px 0; border: 0; }
          section > .scroll td::before { content: attr(data-label); color: var(--soft); font-size: 13px; }
          section > .scroll td.figure { text-align: left; white-space: normal; } section > .scroll .meter { margin-left: 0; }
          section > .scroll td:empty { display: none; }
        }
        @media print {
          body { font-size: 11px; } main { max-width: none; padding: 0; } section, .tile { border-color: #ccc; }
          section { padding: 12px 0; border: 0; border-top: 1px solid #ccc; border-radius: 0; }
          .row, tr, figure, .tile, .diagram { break-inside: avoid; } h2, h3 { break-after: avoid; }
          details .scroll { max-height: none; overflow: visible; } summary { color: inherit; }
          details:not([open]) > :not(summary) { display: none; }
          /* On one page: what is taller would run on over the text that follows. */
          .diagram { width: auto; height: auto; max-width: 100%; max-height: 22cm; margin: 0 auto; }
        }
        """
}
