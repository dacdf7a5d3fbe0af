/** The report's style sheet. System fonts, no images; colours follow the reader's choice of light or dark. */
export const STYLE = `
:root{color-scheme:light dark;--bg:#f7f7f5;--card:#fff;--ink:#1d2227;--soft:#667079;--line:#e2e3df;--accent:#2f6f8f;--accent-soft:#d9e8ef;--good:#1f7a4d;--good-bg:#dff2e7;--some:#8a6100;--some-bg:#fbeecb;--none:#5c646c;--none-bg:#e9ebec;--bad:#b3372b;--bad-bg:#fbe3e0;--code:#f1f2ef;--user:#eef3fb;--tool:#f4f1fa}
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1b1f23;--ink:#e4e7e9;--soft:#97a1a9;--line:#2d3338;--accent:#6fb3d2;--accent-soft:#20353f;--good:#6fd19b;--good-bg:#173427;--some:#e8bd5a;--some-bg:#3a2f13;--none:#a5adb4;--none-bg:#2a2f34;--bad:#f08a7e;--bad-bg:#41211d;--code:#15191c;--user:#1c2530;--tool:#241f2e}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 20px 80px}
h1{font-size:26px;line-height:1.2;margin:0 0 4px;letter-spacing:-.01em}
h2{font-size:17px;margin:36px 0 12px}
.muted,.facts{color:var(--soft)}
p{margin:6px 0}
code,pre,.id,.name{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:13px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(160px,1fr));gap:12px;margin:20px 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px}
.card b{display:block;font-size:22px;line-height:1.25;font-variant-numeric:tabular-nums}
.card b{white-space:nowrap}
.card b small{font-size:14px;font-weight:400;color:var(--soft)}
.card span{color:var(--soft);font-size:13px}
.card.bad b{color:var(--bad)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:12px}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px}
figcaption{font-size:13px;color:var(--soft);margin-bottom:6px}
svg{width:100%;height:auto;display:block;overflow:visible}
svg text{fill:var(--soft);font-size:10px}
.bar{fill:var(--accent)}.bar:hover{opacity:.75}
.axis{stroke:var(--line)}
.dot{fill:var(--accent);opacity:.35}
.line{fill:none;stroke:var(--accent);stroke-width:2;stroke-linejoin:round}
table{border-collapse:collapse;width:100%}
.data{background:var(--card);border:1px solid var(--line);border-radius:10px;border-spacing:0;border-collapse:separate;overflow:hidden}
.data th,.data td{text-align:left;padding:7px 14px;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
.data tr:last-child td{border-bottom:0}
.data th{font-weight:600;font-size:13px;color:var(--soft)}
.n{text-align:right!important;font-variant-numeric:tabular-nums;white-space:nowrap}
.bars th{font-weight:400;text-align:left;font-size:13px;white-space:nowrap;padding:2px 10px 2px 0}
.bars td{padding:3px 0;width:99%}.bars svg{height:10px;background:var(--none-bg);border-radius:3px;overflow:hidden}.bar.warn{fill:var(--bad)}.bars .n{padding-left:10px;font-size:13px}
details.group{background:var(--card);border:1px solid var(--line);border-radius:10px;margin:8px 0}
summary{cursor:pointer;padding:9px 14px;display:flex;flex-wrap:wrap;gap:8px;align-items:center;border-radius:10px}
summary:focus-visible{outline:2px solid var(--accent);outline-offset:-2px}
summary::-webkit-details-marker{display:none}
summary::before{content:"";border:4px solid transparent;border-left:6px solid var(--soft);margin-right:-2px;transition:transform .12s}
details[open]>summary::before{transform:rotate(90deg) translate(1px,1px)}
.group>summary .id{font-weight:600;overflow-wrap:anywhere}
.prompt{font-size:14px;color:var(--soft);flex:1 1 260px;min-width:0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.group[open]>summary .prompt{white-space:normal}
details.rollout{border-top:1px solid var(--line)}
details.rollout>:not(summary){margin-left:14px;margin-right:14px}
.rollout>summary{font-size:14px}
.facts{font-size:13px}
.badge{display:inline-block;min-width:30px;text-align:center;padding:1px 8px;border-radius:20px;font-size:12.5px;font-weight:600;font-variant-numeric:tabular-nums}
.good{color:var(--good);background:var(--good-bg)}.some{color:var(--some);background:var(--some-bg)}.none{color:var(--none);background:var(--none-bg)}.error{color:var(--bad);background:var(--bad-bg)}
.problem{color:var(--bad)}
.tool-errors{margin:6px 0;padding-left:20px;color:var(--some);font-size:14px}
.chat{padding:4px 0 14px}
.message{border:1px solid var(--line);border-radius:8px;margin:8px 0;overflow:hidden}
.message header{display:flex;justify-content:space-between;gap:12px;padding:5px 12px;font-size:12.5px;font-weight:600;border-bottom:1px solid var(--line)}
.message header .muted{font-weight:400}
.message.user{background:var(--user)}.message.tool{background:var(--tool)}.message.system,.message.developer{background:var(--code)}
.message pre{margin:0;padding:9px 12px;white-space:pre-wrap;overflow-wrap:anywhere;max-height:480px;overflow:auto}
.message>.muted{padding:0 12px 8px;font-size:13px}
.call{border-top:1px solid var(--line);background:var(--accent-soft)}
.call:first-of-type{border-top:0}
.call .name{display:block;padding:6px 12px 0;font-weight:600;color:var(--accent)}
.call pre{padding-top:3px}
.thinking summary{padding:5px 12px;font-size:13px;color:var(--soft)}
.thinking pre{color:var(--soft)}
.config pre{margin:0;padding:12px 14px;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere}
.filters{display:flex;gap:14px;flex-wrap:wrap;margin:0 0 10px;font-size:14px;color:var(--soft)}
.filters label{cursor:pointer}
body:has(#only-failed:checked) details.group:not(.has-failed){display:none}
body:has(#only-unsolved:checked) details.group:not(.has-unsolved){display:none}
footer{margin-top:48px;color:var(--soft);font-size:13px}
@media print{details.group{break-inside:avoid}.filters{display:none}}
`;
