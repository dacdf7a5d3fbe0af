"""Small templates with one behaviour of Python or jinja2 each. An entry is a template, or a template and its names."""

MESSAGES = [
    {"role": "system", "content": "Be  brief.\n"},
    {"role": "user", "content": "Héllo <b>\"you\"</b> 👋"},
    {"role": "assistant", "content": None, "reasoning": "hm\n", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"b": 1.5, "a": [None, True], "é": "x\u2028y"}}}]},
    {"role": "tool", "name": "f", "content": [{"type": "text", "text": "part"}]},
]

DATA = {
    "d": {"b": 1, "A": 2, "a": 3, "items": "own", "é": None},
    "n": None,
    "xs": [3, 1, 2, 2],
    "words": ["banana", "Apple", "cherry", "apple"],
    "objs": [{"k": "x", "v": 1, "z": {"y": 5}}, {"k": "y", "v": 2}, {"k": "x", "v": 3, "z": {"y": 4}}],
    "s": "  Hello World  ",
    "u": "a👋b🇩🇪c",
    "f": 2.5,
    "empty": [],
    "big": 123456789012345678,
    "nested": {"a": {"b": [1, {"c": "deep"}]}},
}

PRINTING = [
    "{{ none }}|{{ n }}|{{ [none] }}|{{ true }}|{{ [true, false] }}",
    "{{ [none, 1]|join('-') }} {{ none ~ true }} {{ none|string }}",
    "{{ [1, 'a', \"it's\", 'q\"q', 'b\\'\"'] }}",
    "{{ {'a': 1, 'b': [none, 1.0]} }} {{ {} }} {{ [] }} {{ () }}",
    "{{ (1,) }} {{ (1, 2) }} {{ ('a', none) }}",
    "{{ '\\n\\t\\x7f\\u200b\\u00e9\\\\' }}|{{ ['\\n\\t\\x7f\\u200b\\u00e9\\\\\\u2028\\ud7ff'] }}",
    "{{ 1e-7 }} {{ 0.00001 }} {{ 1e16 }} {{ 1e15 }} {{ 123456789.123 }} {{ 1.0 }} {{ 1e300 }} {{ 1.5e-5 }}",
    "{{ 1e-7|tojson }} {{ [1.0, 1e22, 0.1]|tojson }} {{ f|tojson }}",
    "{{ 10/2 }} {{ 7//2 }} {{ 7.0//2 }} {{ 2**10 }} {{ 2**-1 }} {{ 2**0.5 }} {{ 10 % 3 }}",
    "{{ 1_000 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1_0.5 }} {{ 1E3 }}",
    "{{ 9007199254740993 + 1 }} {{ 2**70 }} {{ big * 3 }}",
    "{{ -7 % 3 }} {{ 7 % -3 }} {{ -7 // 2 }} {{ -7.5 % 2 }} {{ 5.5 // -2 }} {{ -0.0 }}",
    "{{ true + 1 }} {{ true * 3 }} {{ false == 0 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' == 1 }}",
    "{{ 'a' * 3 }} {{ 2 * 'ab' }} {{ [1] * 2 }} {{ 'a' * -1 }} {{ (1, 2) * 2 }} {{ [1] + [2] }} {{ (1,) + (2,) }}",
    "{{ 'a' 'b' \"c\" }} {{ 'a' ~ 1 ~ 2.0 ~ none ~ [1] }}",
    "{{ d }} {{ d.items() }} {{ d.keys() }} {{ d.values() }} {{ range(3) }} {{ range(1, 9, 2) }}",
    "{{ [1,2,3]|map('string')|list }} {{ ['a']|tojson }} {{ (1,2)|tojson }} {{ {1: 2, none: 3, true: 4, 1.5: 1}|tojson }}",
    "{{ namespace(a=1) }}",
    "{{ messages }}",
    "{{ messages[2] }}",
    "{{ messages|tojson }}",
    "{{ messages[2].tool_calls|tojson(indent=2) }}",
    "{{ d|tojson(sort_keys=true) }} {{ {'b': 1, 'B': 2, 'a': 3, 'é': 4, '😀': 5, '\uffff': 6}|tojson(sort_keys=true) }}",
    "{{ d|tojson(indent='--') }} {{ []|tojson(indent=2) }} {{ {}|tojson(indent=2) }} {{ [[], [1]]|tojson(indent=1) }}",
    "{{ d|tojson(separators=(',', ':')) }} {{ 'é👋'|tojson(ensure_ascii=true) }} {{ '<>&\\'\"/'|tojson }} {{ '\\x00\\x1f\\x7f\\u2028'|tojson }}",
    "{{ undefined_name }}|{{ undefined_name|tojson }}",
    "{{ nested.a.b[1].c }} {{ nested['a']['b'][0] }} {{ nested.a.b.0 }} {{ nested.x }} {{ nested.x is defined }}",
    "{{ 1.5|string ~ 'x' }} {{ 100000000000000000000 }} {{ 1.10 }} {{ 1e5|int }} {{ 3.0|int }}",
    "{{ 1 if false }}|{{ 1 if false else 2 }}|{{ (1 if false) is defined }}",
    "{{ [1.0, 2, 1e-10]|sum }} {{ 0.1 + 0.2 }} {{ 1/3 }} {{ 2/1 }} {{ 1e308 * 10 }} {{ -1e308 * 10 }}",
]

CONTROL = [
    "{% for m in messages %}[{{ m.role }}{% if loop.first %}{% continue %}{% endif %}x]{% endfor %}",
    "{% for i in range(5) %}{{ i }}{% if i == 2 %}{% break %}{% endif %},{% else %}none{% endfor %}",
    "{% for i in [] %}x{% else %}empty{% endfor %}{% for i in undefined_name %}x{% else %}undef{% endfor %}",
    "{% for c in 'a👋b' %}{{ c }}|{% endfor %}{% for k in d %}{{ k }},{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for a, b in [(1, 2), [3, 4]] %}{{ a }}{{ b }}{% endfor %}",
    "{% for (a, (b, c)) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for x in xs if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% endfor %}",
    "{% for x in xs %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.previtem }}{{ loop.nextitem }} {% endfor %}",
    "{% for x in xs %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x) }}{{ loop.depth }}{% endfor %}",
    "{% for a in [1, 2] %}{% for b in [1, 2] %}{{ loop.depth }}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}",
    "{% for n in [{'v': 1, 'c': [{'v': 2, 'c': []}]}] recursive %}{{ n.v }}({{ loop(n.c) }}){% endfor %}",
    "{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = x + i %}{{ x }};{% endfor %}{{ x }}",
    "{% set ns = namespace(x=0, l=[]) %}{% for i in [1, 2] %}{% set ns.x = ns.x + i %}{% set ns.l = ns.l + [i] %}{% endfor %}{{ ns.x }}{{ ns.l }}{{ ns['x'] }}",
    "{% if true %}{% set y = 5 %}{% endif %}{{ y }}{% for i in [1] %}{% set z = 1 %}{% endfor %}{{ z is defined }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, d) = (3, 4) %}{{ c }}{{ d }}{% set t = 1, %}{{ t }}",
    "{% set block %}x{{ 1 }}{% endset %}[{{ block }}]{% set up | upper | replace('A', 'b') %}aa{% endset %}{{ up }}",
    "{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }}{% with %}{% set q = 1 %}{% endwith %}{{ q is defined }}",
    "{% macro m(a, b=2, c=none) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, c=3) }} {{ m() }} {{ m(1, 2, 3) }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, a=3) }}",
    "{% macro m(x) %}<{{ caller(x) }}>{% endmacro %}{% call(y) m(5) %}in {{ y }}{% endcall %}",
    "{% macro m(x) %}{% if x > 0 %}{{ x }}{{ m(x - 1) }}{% endif %}{% endmacro %}{{ m(3) }}{{ m.name }}{{ m.arguments }}",
    "{% macro m() %}  text  {% endmacro %}[{{ m()|trim }}]{{ m() is string }}",
    "{% filter upper %}abc{{ 'é' }}{% endfilter %}{% raw %}{{ not }} {% x %}{% endraw %}",
    "{%- generation %} body {% endgeneration -%}   x",
    "{# comment #}a{#- trimmed -#}  b\n{# line #}\nc",
    "line\n    {% if true %}\n  in\n    {% endif %}\nend\n",
    "line\n    {%+ if true %}\n  in\n    {%+ endif +%}\nend",
    "a\n  {{ 1 }}\n  {{- 2 -}}  \n b {%- if true -%}  c  {%- endif %}\n\n\nd",
    "\n\n{% if true %}\n\n\nx{% endif %}\n\n",
    "x\r\n{% if true %}\r\ny\r\n{% endif %}\r\nz\r\n",
    "  {% set a = 1 %}  \n  {{ a }}",
    "a  {% if true %}b{% endif %}",
    "{% print 1, 2 %}{% block x %}in{% endblock %}{% autoescape false %}<{% endautoescape %}",
    "{{ '{{' }} {{ \"}}\" }} {{ {'a': {'b': 1}} }} {{ {'a': {}}['a'] }}",
    "{% if 1 is eq 1 and 2 is gt 1 %}y{% endif %}{% if not 1 == 2 %}n{% endif %}{% if 1 < 2 < 3 %}c{% endif %}{% if 1 < 3 < 2 %}x{% endif %}",
    "{% if a is not defined %}nd{% elif true %}x{% else %}y{% endif %}{% if none %}a{% elif '' %}b{% elif [] %}c{% elif 0.0 %}d{% else %}e{% endif %}",
    "{{ 'a' if n is none else 'b' }} {{ n or 'x' }} {{ n and 'x' }} {{ 0 or '' or 'z' }} {{ not n }} {{ not undefined_name }}",
    "{{ 1 in [1, 2] }} {{ 'a' in 'abc' }} {{ 'b' in d }} {{ 3 not in xs }} {{ 1.0 in [1] }} {{ 'x' in undefined_name }}",
    "{{ xs[1:] }}{{ xs[::-1] }}{{ xs[-2:] }}{{ xs[:-1] }}{{ 'hello'[1:4] }}{{ 'hello'[::-2] }}{{ xs[10:] }}{{ (1, 2, 3)[1:] }}{{ xs[0:4:3] }}",
    "{{ xs[10] }}|{{ xs[-1] }}|{{ 'abc'[0] }}|{{ 'abc'[5] }}|{{ d['zz'] }}|{{ n.x }}",
    "{{ u|length }} {{ u[1] }} {{ u[::-1] }} {{ u|reverse }} {{ u[1:3] }} {{ u|list }} {{ u|first }}{{ u|last }}",
    "{{ joiner('|') }}{% set j = joiner() %}{{ j() }}a{{ j() }}b{% set c = cycler(1, 2) %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}",
    "{{ dict(a=1, b=2) }} {{ dict([('x', 1)]) }} {{ dict({'q': 1}, r=2) }} {{ dict() }}",
    "{{ [1, 2] == [1.0, 2.0] }} {{ {'a': 1} == {'a': 1.0} }} {{ (1,) == [1] }} {{ undefined_name == none }} {{ undefined_name == undefined_other }} {{ '' != false }} {{ '' == false }}",
    "{{ [1, 2] < [1, 3] }} {{ 'a' < 'b' }} {{ 'Z' < 'a' }} {{ (1, 2) < (1, 2, 3) }} {{ 1 < 1.5 }} {{ true < 2 }}",
    "{{ 2 + 3 * 4 - 6 / 3 }} {{ (2 + 3) * 4 }} {{ -2 ** 2 }} {{ 2 ** 3 ** 2 }} {{ -3|abs }} {{ 1 + 2 ~ 3 }}",
    "{{ tools is defined }} {{ tools }} {{ documents }} {{ add_generation_prompt }} {{ bos_token is defined }} {{ pad_token is defined }}",
    "{{ messages[2].content is defined }} {{ messages[2].reasoning_content }} {{ messages[2].thinking }} {{ messages[2]['content'] }}",
    "{% for m in messages %}{{ m.keys()|list }}{% endfor %}",
    "{% set x = namespace() %}{% set x.a = 1 %}{{ x.a }}{{ x.b is defined }}",
    "{%- for m in messages -%}\n{{- m.role }}\n{%- endfor -%}\n",
    "{% set x %}\n a \n{% endset %}[{{ x }}]",
    "{% if messages[0].role == 'system' %}{% set sys = messages[0].content %}{% set rest = messages[1:] %}{% endif %}{{ sys }}{{ rest|length }}",
    "{% for m in messages[::-1] %}{{ loop.index }}{{ m.role }}{% endfor %}",
    "{{ 1,2 }} {{ (1, ) }} {{ [1,] }} {{ {'a': 1,} }}",
]

FILTERS = [
    "{{ undefined_name|upper }}[{{ undefined_name|trim }}]{{ undefined_name|length }}{{ undefined_name|list }}{{ undefined_name|join }}{{ undefined_name|string }}",
    "{{ undefined_name|selectattr('a')|list }}{{ undefined_name|items|list }}{{ undefined_name ~ 'x' }}{{ undefined_name|default('d') }}{{ undefined_name|first }}",
    "{{ none|trim }} {{ none|upper }} {{ none|default('x') }} {{ none|default('x', true) }} {{ ''|default('e', boolean=true) }} {{ none|d }}",
    "{{ s|trim }}|{{ s|upper }}|{{ s|lower }}|{{ 'hELLO wORLD'|capitalize }}|{{ \"it's a-b (c) d\"|title }}|{{ 'xxhixx'|trim('x') }}",
    "{{ s.strip() }}|{{ s.lstrip() }}|{{ s.rstrip() }}|{{ 'xxhixx'.strip('x') }}|{{ 'abchi'.lstrip('cab') }}|{{ 'hi\\n\\n'.rstrip('\\n') }}|",
    "{{ '\\ufeff a\\x1c\\x85'.strip()|tojson }} {{ '\\u00a0a\\u3000'|trim|tojson }}",
    "{{ [3, 1, 2]|sort }} {{ words|sort }} {{ words|sort(case_sensitive=true) }} {{ xs|sort(reverse=true) }} {{ objs|sort(attribute='v')|map(attribute='k')|list }}",
    "{{ objs|sort(attribute='k,v', reverse=true)|map(attribute='v')|list }} {{ objs|map(attribute='z.y')|list }} {{ objs|map(attribute='z.y', default=0)|list }}",
    "{{ d|dictsort }} {{ d|dictsort(true) }} {{ {'x': 2, 'y': 1}|dictsort(by='value') }} {{ {'x': 2, 'y': 1}|dictsort(reverse=true) }}",
    "{{ xs|unique|list }} {{ words|unique|list }} {{ words|unique(true)|list }} {{ objs|unique(attribute='k')|map(attribute='v')|list }}",
    "{{ xs|min }} {{ xs|max }} {{ words|min }} {{ words|max }} {{ objs|max(attribute='v') }} {{ []|min }}|",
    "{{ xs|sum }} {{ objs|sum(attribute='v') }} {{ objs|sum('v', 10) }} {{ []|sum }} {{ [1.5, 2]|sum }}",
    "{{ xs|select('odd')|list }} {{ xs|reject('odd')|list }} {{ xs|select|list }} {{ [0, 1, none]|select|list }} {{ xs|select('in', [1, 3])|list }} {{ xs|select('>', 1)|list }}",
    "{{ objs|selectattr('z')|list|length }} {{ objs|selectattr('z', 'undefined')|list|length }} {{ objs|selectattr('k', 'equalto', 'x')|map(attribute='v')|list }} {{ objs|rejectattr('k', '==', 'x')|list }} {{ objs|selectattr('k', 'in', ['x'])|list|length }}",
    "{{ words|map('upper')|join(', ') }} {{ words|map('replace', 'a', 'b')|list }} {{ ['1', '2']|map('int')|sum }} {{ [[1, 2], [3]]|map('length')|list }} {{ objs|map(attribute='k')|join }}",
    "{{ xs|batch(3)|list }} {{ xs|batch(3, 0)|list }} {{ xs|slice(3)|list }} {{ xs|slice(3, 'x')|list }}",
    "{% for g, l in objs|groupby('k') %}{{ g }}:{{ l|length }};{% endfor %}{% for g in objs|groupby('k') %}{{ g.grouper }}{{ g.list|map(attribute='v')|list }}{{ g }}{% endfor %}",
    "{{ xs|first }} {{ xs|last }} {{ empty|first }}|{{ empty|last }}|{{ 'abc'|first }} {{ d|first }} {{ (1, 2)|last }} {{ xs|reverse|list }} {{ 'abc'|reverse }}",
    "{{ xs|length }} {{ d|length }} {{ 'äö'|count }} {{ ()|length }} {{ range(5)|length }} {{ d.items()|length }}",
    "{{ xs|join }} {{ xs|join(', ') }} {{ [1, none, true, 2.0]|join('|') }} {{ 'abc'|join('-') }} {{ objs|join(',', attribute='k') }} {{ d|join }}",
    "{{ 'abc'|replace('b', 'x') }} {{ 'aaa'|replace('a', 'b', 2) }} {{ 5|replace('5', 'x') }} {{ 'ab'|replace('', '-') }} {{ none|replace('None', 'x') }}",
    "{{ '42'|int }} {{ 'x'|int }} {{ 'x'|int(7) }} {{ '3.7'|int }} {{ 3.9|int }} {{ '0x1A'|int(base=16) }} {{ '1_0'|int }} {{ ' 5 '|int }} {{ none|int }} {{ '٣'|int }} {{ true|int }}",
    "{{ '1.5'|float }} {{ 'x'|float }} {{ 'x'|float(2.0) }} {{ 3|float }} {{ '1e3'|float }} {{ 'inf'|float }} {{ 'nan'|float }} {{ none|float }} {{ '1_0.5'|float }}",
    "{{ 42.55|round }} {{ 42.55|round(1) }} {{ 2.5|round }} {{ 3.5|round }} {{ 2.675|round(2) }} {{ 42.51|round(1, 'floor') }} {{ 42.51|round(0, 'ceil') }} {{ 5|round }} {{ 15|round(-1) }} {{ 25|round(-1) }} {{ -2.5|round }}",
    "{{ -5|abs }} {{ -1.5|abs }} {{ true|abs }} {{ 1000|filesizeformat }} {{ 1500000|filesizeformat }} {{ 1024|filesizeformat(true) }} {{ 1|filesizeformat }} {{ 0|filesizeformat }}",
    "{{ '<b>&\"\\'</b>'|e }} {{ '<'|escape }} {{ ('<'|e) ~ '<' }} {{ ('<'|e) + '<' }} {{ '<'|safe }} {{ ('<'|safe) + '<' }} {{ '<'|e|e }} {{ '<'|forceescape }} {{ ('<a>'|safe)|upper + '<' }}",
    "{{ 'a\\nb\\n\\nc'|indent }}|{{ 'a\\nb'|indent(2, true) }}|{{ 'a\\n\\nb'|indent('> ', blank=true) }}|{{ 'a\\nb\\n'|indent }}|",
    "{{ '%s-%d-%.2f-%5s|%-5s|%05d' % ('a', 3, 1.234, 'x', 'y', 42) }} {{ '%(a)s' % {'a': 1} }} {{ '%x %X %o %e %g %%' % (255, 255, 8, 12345.678, 0.0001) }} {{ '%s' % none }} {{ '%r' % 'a' }} {{ '%s' % [1] }} {{ '%+d % d' % (5, 5) }} {{ '%c' % 65 }}",
    "{{ '%s and %s'|format(1, none) }} {{ '%(a)s'|format(a=2) }} {{ '{} {}'.format(1, 'b') }} {{ '{0}{1}{0}'.format('a', 'b') }} {{ '{a[0]}'.format(a=[1]) }}",
    "{{ '{:>5}|{:<5}|{:^5}|{:05d}|{:,}|{:.2f}|{:e}|{:%}|{:x}|{:+}|{!r}|{:*^7}'.format('a', 'b', 'c', 42, 1234567, 3.14159, 12345.6789, 0.25, 255, 3, 'q', 'm') }} {{ '{{}}'.format() }} {{ '{:{w}}|'.format('a', w=4) }} {{ '{:g} {:.3} {}'.format(1e10, 3.14159, 1.0) }}",
    "{{ 'abcdef ghi jkl'|truncate(8) }} {{ 'abcdef ghi jkl'|truncate(8, true) }} {{ 'abcdef ghi'|truncate(9) }} {{ 'abcdef ghi jkl mno'|truncate(10, false, '…', 0) }} {{ 'a b c'|wordcount }} {{ 'hello big world'|wordwrap(7) }} {{ 'abcdefghij'|wordwrap(4) }}",
    "{{ 'a b&c/d?é'|urlencode }} {{ {'a': 1, 'b c': 'é'}|urlencode }} {{ {'class': 'x', 'id': none, 'n': 5}|xmlattr }} {{ '<p>a <b>b</b></p> &amp;'|striptags }} {{ 'x'|center(5) }}| {{ [1, 'a']|pprint }}",
    "{{ d|items|list }} {{ d|list }} {{ 'ab'|list }} {{ range(3)|list }} {{ (1, 2)|list }} {{ d.items()|list }} {{ d|string }} {{ [1]|string|length }} {{ 1.0|string }}",
    "{{ d|attr('items') is callable }} {{ d|attr('b') is defined }} {{ 5|attr('real') }} {{ 'x'|attr('upper') is callable }}",
    "{{ 'a'|upper|lower|title|trim }} {{ ('a,b')|upper }} {{ [1,2]|trim }} {{ 5|upper }} {{ 1.0|trim }} {{ true|lower }} {{ {'a': 1}|upper }}",
    "{{ 'ß'|upper }} {{ 'ΑΣ'|lower }} {{ 'ǆ'|capitalize }} {{ 'éa'|capitalize }} {{ 'ŉ'|upper }} {{ 'İ'|lower|length }} {{ 'ﬁx'|title }}",
]

TESTS = [
    "{{ 1 is number }}{{ true is number }}{{ 1.0 is float }}{{ 1 is float }}{{ 1 is integer }}{{ true is integer }}{{ true is boolean }}{{ 1 is boolean }}{{ '1' is string }}",
    "{{ d is mapping }}{{ xs is mapping }}{{ xs is sequence }}{{ d is sequence }}{{ 'a' is sequence }}{{ 5 is sequence }}{{ (1,) is sequence }}{{ range(3) is sequence }}{{ none is sequence }}{{ undefined_name is sequence }}",
    "{{ d is iterable }}{{ xs is iterable }}{{ 'a' is iterable }}{{ 5 is iterable }}{{ none is iterable }}{{ undefined_name is iterable }}{{ d.items() is iterable }}",
    "{{ none is none }}{{ undefined_name is none }}{{ true is true }}{{ 1 is true }}{{ false is false }}{{ 0 is false }}{{ n is not none }}{{ undefined_name is undefined }}{{ n is defined }}",
    "{{ 3 is odd }}{{ 4 is even }}{{ 9 is divisibleby 3 }}{{ 9 is divisibleby(2) }}{{ 3 is eq 3 }}{{ 3 is ne 3 }}{{ 3 is lt 4 }}{{ 3 is le 3 }}{{ 3 is gt 2 }}{{ 3 is ge 4 }}{{ 3 is in [3] }}{{ 'a' is in 'abc' }}",
    "{{ 'abc' is lower }}{{ 'ABC' is upper }}{{ 'aBc' is lower }}{{ '' is lower }}{{ '1' is upper }}{{ none is sameas none }}{{ xs is sameas xs }}{{ 1 is sameas true }}{{ range is callable }}{{ d.get is callable }}{{ 'x' is callable }}",
    "{{ 'upper' is filter }}{{ 'nope' is filter }}{{ 'odd' is test }}{{ ('a'|e) is escaped }}{{ 'a' is escaped }}{{ 1 is not odd }}{{ not 2 is odd }}",
    "{{ 3 is greaterthan 2 }}{{ 3 is lessthan 2 }}{{ 3 is equalto 3 }}{{ d.a is defined and d.a is number }}{{ messages[0].content is string }}{{ messages[3].content is iterable }}",
]

METHODS = [
    "{{ 'a,b,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'abc'.split('x') }} {{ ''.split() }} {{ ''.split(',') }} {{ 'a b c'.split(None, 1) }} {{ 'a b c'.split(' ', maxsplit=1) }} {{ 'a--b'.split('-') }}",
    "{{ 'a,b,c'.rsplit(',', 1) }} {{ ' a b c '.rsplit(None, 1) }} {{ 'abc'.rsplit('x', 1) }} {{ 'a,b'.rsplit(',') }} {{ 'a\\nb\\r\\nc\\x0bd\\u2028e'.splitlines() }} {{ 'a\\nb\\n'.splitlines(true) }} {{ ''.splitlines() }}",
    "{{ 'abc'.find('c') }} {{ 'abc'.find('x') }} {{ 'a👋bc'.find('b') }} {{ 'abcabc'.rfind('b') }} {{ 'abc'.index('b') }} {{ 'aXbX'.count('X') }} {{ 'abc'.count('') }} {{ 'abcabc'.find('b', 2) }} {{ 'abcabc'.count('b', 0, 3) }}",
    "{{ 'abc'.startswith('ab') }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.endswith('bc') }} {{ 'abc'.endswith(()) }} {{ 'abc'.startswith('b', 1) }} {{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }} {{ 'abc'.removesuffix('') }}",
    "{{ '-'.join(['a', 'b']) }} {{ ''.join('abc') }} {{ ', '.join(d) }} {{ 'a-b-c'.partition('-') }} {{ 'a-b-c'.rpartition('-') }} {{ 'abc'.partition('x') }} {{ 'abc'.rpartition('x') }}",
    "{{ 'aBc'.upper() }} {{ 'aBc'.lower() }} {{ \"it's hELLO\".title() }} {{ 'hELLO'.capitalize() }} {{ 'aBc'.swapcase() }} {{ 'Straße'.casefold() }} {{ 'aaa'.replace('a', 'b', 2) }} {{ 'ab'.replace('', '-') }} {{ 'a\\tb'.expandtabs(4) }}",
    "{{ '12'.isdigit() }} {{ '²'.isdigit() }} {{ '½'.isnumeric() }} {{ '1.5'.isdecimal() }} {{ 'ab1'.isalnum() }} {{ 'ab'.isalpha() }} {{ ''.isalpha() }} {{ ' \\n'.isspace() }} {{ ''.isspace() }} {{ 'Ab Cd'.istitle() }} {{ 'ab'.islower() }} {{ 'AB1'.isupper() }} {{ 'a_1'.isidentifier() }} {{ 'é'.isascii() }} {{ 'a\\n'.isprintable() }} {{ '一'.isnumeric() }} {{ '一'.isalpha() }}",
    "{{ 'a'.ljust(3) }}|{{ 'a'.rjust(3, '-') }}|{{ 'a'.center(4) }}|{{ 'ab'.center(5, '*') }}|{{ '-5'.zfill(4) }}|{{ 'a'.zfill(3) }}|",
    "{{ [1, 2, 1].count(1) }} {{ [1, 2].index(2) }} {{ (1, 2).index(1) }} {{ (1, 1).count(1) }} {{ [1].copy() }} {{ d.get('b') }} {{ d.get('zz') }} {{ d.get('zz', 5) }} {{ d.get('é') }} {{ d.copy() == d }}",
    "{{ d['items'] }} {{ d.items() is iterable }} {{ d.a }} {{ d['a'] }} {{ d.keys()|list }} {{ d.values()|list }}",
    "{{ 'abc'.translate({97: 'x', 98: none}) }} {{ (1.5).is_integer() }} {{ (2).real }} {{ (10).bit_length() }}",
    "{{ messages[0].get('role') }}{{ messages[0].get('nope', 'd') }}{{ messages[0].content.strip().split(' ')[-1] }}{{ messages[-1].content[0].text }}",
    "{{ 'a<b>c'.split('<b>')[-1].lstrip('\\n') }}{{ '<think>x</think>\\n\\ny'.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') }}",
    "{{ strftime_now('%%') }}{{ strftime_now('%n%t')|tojson }}",
    "{{ 'abc'.__len__ is defined }}{{ d.__class__ is defined }}{{ d._x is defined }}",
]

ERRORS = [
    "{{ 'a' + 1 }}",
    "{{ 1 + 'a' }}",
    "{{ 'a' + none }}",
    "{{ 'a' + ['b'] }}",
    "{{ 'a' + {} }}",
    "{{ [1] + (2,) }}",
    "{{ none + 'a' }}",
    "{{ 1 / 0 }}",
    "{{ 1 % 0 }}",
    "{{ 1.0 // 0 }}",
    "{{ undefined_name.x }}",
    "{{ undefined_name['x'] }}",
    "{{ undefined_name + 1 }}",
    "{{ undefined_name() }}",
    "{{ undefined_name < 1 }}",
    "{{ d.zz.y }}",
    "{{ none.x.y }}",
    "{{ none|length }}",
    "{{ none|list }}",
    "{{ none|join }}",
    "{{ 5|length }}",
    "{{ 5|first }}",
    "{{ none|selectattr('a')|list }}",
    "{% for x in none %}{% endfor %}",
    "{% for x in 5 %}{% endfor %}",
    "{% for a, b in [1] %}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{% endfor %}",
    "{% for a, b in d %}{{ a }}{% endfor %}",
    "{{ xs.append(1) }}",
    "{{ d.update({}) }}",
    "{{ d.pop('a') }}",
    "{{ xs.sort() }}",
    "{{ ''.__class__ }}",
    "{{ d.__class__.__mro__ }}",
    "{{ messages.__len__() }}",
    "{% set x.y = 1 %}",
    "{% set d = {} %}{% set d.y = 1 %}",
    "{% set ns = namespace() %}{% set ns._x = 1 %}",
    "{{ namespace(_x=1) }}",
    "{{ raise_exception('no') }}",
    "{{ range(1000000) }}",
    "{{ 'a'.index('b') }}",
    "{{ [1].index(2) }}",
    "{{ 'a'|nope }}",
    "{{ 'a' is nope }}",
    "{% if false %}{{ 'a'|nope }}{% endif %}ok",
    "{% for i in [] %}{{ 'a'|nope }}{% endfor %}ok",
    "{{ 'a'|nope if false }}ok",
    "{% macro m() %}{{ 'a'|nope }}{% endmacro %}ok",
    "{% nope %}",
    "{% if %}x{% endif %}",
    "{{ }}",
    "{{ 1",
    "{% if true %}",
    "{% endif %}",
    "{# open",
    "{{ 'a' if }}",
    "{{ [1, 2 }}",
    "{% break %}",
    "{% include 'x' %}",
    "{% set true = 1 %}",
    "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}",
    "{% macro m(a) %}{% endmacro %}{{ m(b=2) }}",
    "{{ 'x'.upper(1) }}",
    "{{ 5() }}",
    "{{ 'x'() }}",
    "{{ {[1]: 2} }}",
    "{{ 'a' < 1 }}",
    "{{ [3, 'a']|sort }}",
    "{{ [1, none]|sum }}",
    "{{ ['a']|sum }}",
    "{{ [1]|join(attribute='x') }}|",
    "{{ '%d' % 'a' }}",
    "{{ '%s %s' % ('a',) }}",
    "{{ '%s' % ('a', 'b') }}",
    "{{ '{}'.format() }}",
    "{{ '{x}'.format() }}",
    "{{ -'a' }}",
    "{{ 1 in 5 }}",
    "{{ 1 in 'abc' }}",
    "{{ none in 'abc' }}",
    "{{ 1 in none }}",
    "{{ xs['a'] }}|{{ xs.a }}|{{ 'abc'['x'] }}|{{ 5['a'] }}|{{ 5.5.x }}",
    "{{ xs[none] }}|{{ d[[1]] }}|",
    "{{ xs|tojson(bad=1) }}",
    "{{ undefined_name|tojson }}",
    "{{ {'a': undefined_name}|tojson }}",
    "{{ range(3)|tojson }}",
    "{{ xs|map('upper')|tojson }}",
    "{{ d.items()|tojson }}",
    "{{ xs|map('nope')|list }}",
    "{{ xs|select('nope')|list }}",
    "{{ {(1, 2): 3}|tojson }}",
    "{{ d|dictsort(by='x') }}",
    "{{ xs|dictsort }}",
    "{{ xs|items }}",
    "{{ 'x'.join([1]) }}",
    "{{ 'x'.split('') }}",
    "{{ 2.5|round(method='x') }}",
    "{{ none|int + 'a' }}",
    "{{ loop.index }}",
    "{{ xs|length() > 3 }} {{ xs | length > 3 and true }}",
    "{{ 'a' ~ undefined_name.x }}",
    "{{ (1, 2, 3)[5] }}|{{ xs[1.0] }}|",
    "{{ [1, 'a', None]|string }} {{ True }} {{ False }}",
    "{{ 1 is divisibleby 0 }}",
    "{{ 'a'|abs }}",
    "{{ messages[99].role }}",
    "{{ messages[99] }}ok",
    "{{ xs|reverse|first }}{{ xs|map('string')|length }}",
    "{{ xs|map('string')|first }}{{ (xs|map('string'))[0] }}",
    "{{ x is defined and x.y.z }}",
    "{{ 3 | }}",
    "{{ foo.bar is defined }}",
    "{{ d.b.c is defined }}{{ d.b.c }}",
    "{{ 1|default }}{{ ''|default('x') }}{{ false|default('x', true) }}",
    "{% set ns = namespace(found=false) %}{% for m in messages if m.role == 'tool' %}{% set ns.found = true %}{% endfor %}{{ ns.found }}",
    "{{ ns.x }}",
    "{% for m in messages %}{% if m['content'] is string %}{{ m['content'] + '!' }}{% else %}{{ m['content'] ~ '?' }}{% endif %}{% endfor %}",
    "{% for m in messages %}{{ m['role'] + m['content'] }}{% endfor %}",
    "{{ messages[1].content|length }}{{ messages[1].content[::-1] }}",
    "{{ tools|length if tools else 'no tools' }}{% if tools is not none %}x{% endif %}",
    "{%- set a = [] -%}{%- for m in messages -%}{%- set a = a + [m.role] -%}{%- endfor -%}{{ a }}",
    "{{ {'a': 1}.a }}{{ [1, 2].0 }}{{ 'x'.0 }}",
    "{% set a = 'x' %}{% macro m() %}{{ a }}{% endmacro %}{% set a = 'y' %}{{ m() }}",
    "{% macro f() %}{% set q = 1 %}{{ q }}{% endmacro %}{{ f() }}{{ q is defined }}",
    "{% for i in [1,2] %}{% macro f() %}{{ i }}{% endmacro %}{{ f() }}{% endfor %}",
    "{{ 'a\\qb' }}{{ '\\101' }}{{ 'a\\\nb' }}{{ '\\U0001F44B' }}",
    "{{ \"double \\\" quote\" }}{{ 'single \\' quote' }}{{ 'é\\u00e9' }}",
    "{{ '\\é' }}",
    "{{ 1 if true else 2 if true else 3 }} {{ (1 if false else 2) if true else 3 }}",
    "{{ not true or true }} {{ not (true and false) }} {{ true and not false }} {{ 1 == 1 and 2 == 2 or false }}",
    "{{ 'abc'|length + 1 }} {{ 1 + 'abc'|length * 2 }}",
    "{{ 'x' is string is defined }}",
    "{{ a.b.c|default('x') }}",
    "{{ a.b|default('x') }}",
    "{{ (a|default({})).b|default('y') }}",
    "{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|first }}",
    "{{ messages|map(attribute='role')|join(' ') }}{{ messages|rejectattr('role', 'in', ['system'])|list|length }}",
    "{{ messages|selectattr('tool_calls', 'defined')|list|length }}{{ (messages|last).role }}",
]


# One a line.
MORE = r'''
{{ 'a'|string|upper ~ ('b' if true) }}
{% for m in messages %}{{ loop.index }}{{ ',' if not loop.last }}{% endfor %}
{%- if messages[0]['role'] == 'system' -%}{%- set loop_messages = messages[1:] -%}{%- else -%}{%- set loop_messages = messages -%}{%- endif -%}{{ loop_messages|length }}
{{ messages|first }}{{ (messages|last)['role'] }}
{{ messages[0].content.split('\n') }}{{ messages[0].content.strip() + '|' }}
{{ xs|sort|join(',') }}{{ xs|sort(reverse=True)|first }}
{{ 'x'.join(words[:2]) }}{{ words|join(d=' ') }}
{% set ns = namespace(a=[]) %}{% for x in xs %}{% set ns.a = ns.a + [x * 2] %}{% endfor %}{{ ns.a|tojson }}
{{ {'a': [1, {'b': none}]}|tojson(indent=4) }}
{{ {'a': [1, {'b': none}]}|tojson(indent=4, separators=(',', ': ')) }}
{{ {'a': 'é\u2028\ud83d'}|tojson }}
{{ [1, 2.0, '3', none, true]|map('string')|list }}
{{ (xs|batch(2))|list|length }}
{{ 'abc'[1:][0] }}{{ 'abc'[-1] }}{{ 'abc'[:-1] }}{{ 'abc'[::2] }}
{{ 5 // 2 }}{{ -5 // 2 }}{{ 5 % -3 }}{{ 5.0 % 3 }}{{ 2 ** 3 }}
{{ 3.0 == 3 }}{{ 3.0 is integer }}{{ 3 is float }}{{ 3.0|string }}{{ 3.7|int }}{{ '3'|float }}
{{ [1,2,3]|sum / 2 }}{{ ([1,2,3]|sum) // 2 }}
{{ not none }}{{ not [] }}{{ not {} }}{{ not '' }}{{ not 0.0 }}{{ not 'a' }}
{{ none == false }}{{ 0 == false }}{{ '' == none }}{{ [] == false }}{{ none != 0 }}
{{ 'a' in ['a'] and 'b' not in ['a'] }}
{{ d is mapping and d is not string }}{{ d is sequence }}
{% if d.b and d['A'] > 1 or false %}yes{% endif %}
{% for k, v in d|items %}{{ k }}{{ v }}{% endfor %}
{% for k, v in d|dictsort %}{{ k }}{{ v }}{% endfor %}
{% for k in d|sort %}{{ k }}{% endfor %}
{{ d|length }}{{ d|list|first }}{{ d.values()|list|length }}
{{ objs|selectattr('v', 'gt', 1)|map(attribute='v')|list }}{{ objs|rejectattr('z', 'defined')|list }}
{{ objs|map(attribute='zz', default='none')|join(',') }}
{{ objs|groupby('k')|length }}{{ (objs|groupby('k'))[0][0] }}{{ (objs|groupby('k'))[0].list|length }}
{{ objs|sum(attribute='v') }}{{ objs|map(attribute='v')|max }}{{ objs|map(attribute='v')|min }}
{{ objs|map('items')|map('list')|list }}
{{ words|select('lower')|list }}{{ words|reject('lower')|list }}
{{ words|map('capitalize')|list }}{{ words|map('first')|join }}
{{ words|map('default', 'x')|list }}{{ [none, 1]|map('default', 'x', true)|list }}
{{ [[1, 2], [3, 4]]|map('sum')|list }}{{ [[1, 2], [3, 4]]|sum(start=[]) }}
{{ ['b', 'a']|map('upper')|sort|list }}
{{ "%.3f"|format(3.14159) }}{{ "%5.1f|%-8s|%08.3f" % (2.25, 'ab', 3.14159) }}
{{ "{:.1f} {:>6} {:^6} {:<6}|".format(2.25, 'a', 'b', 'c') }}
{{ "{0:d} {1:s} {2!r:>5}".format(3, 'a', 'b') }}
{{ "{:05.1f} {:+d} {: d} {:#x} {:b} {:o} {:X} {:e} {:E} {:g} {:n}".format(3.14159, 3, 3, 255, 5, 8, 255, 12345.678, 0.00012, 1e-5, 1000) }}
{{ "{:,.2f} {:_d} {:010,d} {:.0%} {:c}".format(1234567.891, 1000000, 1234, 0.256, 65) }}
{{ '%5d|%-5d|%05d|%+d|% d|%x|%#x|%#o|%o' % (42, 42, 42, 42, 42, 255, 255, 8, 8) }}
{{ '%10.3s|%-10s|%s' % ('abcdef', 'ab', [1]) }}{{ '%%' % () }}
{{ '%s' % 'x' }}{{ '%s' % {'a': 1} }}{{ '%(k)s %(v)d' % {'k': 'a', 'v': 3.7} }}
{{ '%e %E %g %G' % (1234.5, 0.00012, 1e20, 1e-10) }}
{{ '%i' % 3.99 }}{{ '%d' % true }}{{ '%s' % true }}{{ '%r' % none }}{{ '%a' % 'é' }}
{{ 'a\tb'|tojson }}{{ "it's"|tojson }}{{ '"'|tojson }}{{ '\\'|tojson }}{{ '/'|tojson }}
{{ 1|tojson }}{{ 1.5|tojson }}{{ none|tojson }}{{ true|tojson }}{{ 'x'|tojson }}{{ []|tojson }}{{ {}|tojson }}
{% set x = 5 %}{% set x = x + 1 %}{{ x }}{% if x == 6 %}{% set x = 7 %}{% endif %}{{ x }}
{% set a %}{% for i in xs %}{{ i }}{% endfor %}{% endset %}{{ a }}{{ a|length }}{{ a is string }}
{% macro a(x='d') %}[{{ x }}]{% endmacro %}{{ a() }}{{ a('q') }}{{ a(x=none) }}{{ a(undefined_name) }}
{% macro a(x, y=x) %}{{ x }}{{ y }}{% endmacro %}{{ a(1) }}
{% macro outer() %}{% macro inner() %}i{% endmacro %}{{ inner() }}o{% endmacro %}{{ outer() }}
{% macro r(m) %}{%- for k, v in m.items() -%}{{ k }}:{% if v is mapping %}{{ r(v) }}{% else %}{{ v }}{% endif %};{%- endfor -%}{% endmacro %}{{ r(nested) }}
{{ caller is defined }}{{ varargs is defined }}{{ self is defined }}
{{ loop is defined }}{% for x in [1] %}{{ loop is defined }}{% endfor %}
{% for x in xs %}{% for y in xs %}{% if y == 2 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}
{% for x in xs %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% if not loop.last %},{% endif %}{% endfor %}
{% for x in range(3, 0, -1) %}{{ x }}{% endfor %}{{ range(0)|list }}{{ range(5)[2] }}{{ range(10)[2:5] }}{{ 3 in range(5) }}
{% for x in (1, 2, 3) if x is odd %}{{ x }}{% else %}none{% endfor %}{% for x in [2] if x is odd %}{{ x }}{% else %}none{% endfor %}
{% for x in xs|unique %}{{ loop.length }}{% endfor %}
{% for x in xs %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}
{% for x in xs %}{{ loop.nextitem|default('end') }}{% endfor %}
{% with x = 1 %}{% with x = 2, y = x %}{{ x }}{{ y }}{% endwith %}{{ x }}{% endwith %}
{% set x, y = xs[:2] %}{{ x }}{{ y }}
{% filter trim|upper %}  ab  {% endfilter %}
{% call(a, b) f(1) %}{% endcall %}
{% macro f() %}{{ caller() }}{{ caller() }}{% endmacro %}{% call f() %}x{% endcall %}
{%- raw -%}  {{ x }}  {%- endraw -%} y
{#- a -#} {#+ b +#} x
{{- 'a' -}}   {{- 'b' }}   {{ 'c' -}}   d
  {%- if true %}  a  {%- endif %}  b
<s>{%- for m in messages[:2] %}
{{ m.role }}
{%- endfor %}

{% if true -%}
   x
{%- endif %}
a{% if true %}
b
{% endif %}
c
	{% set a = 1 %}
	x{{ a }}
{{ messages[1]['content'] | trim }}{{ messages[1]['content'].replace('b', 'i') }}
{{ 'a' ~ 'b' == 'ab' }}{{ 'a' + 'b' ~ 'c' + 'd' }}{{ 1 ~ 2 + 3 }}
{{ -1 ** 2 }}{{ (-1) ** 2 }}{{ 2 ** -1 }}{{ +3 }}{{ - 3 + 5 }}{{ 3 - -3 }}
{{ 1 < 2 }}{{ 1 <= 1.0 }}{{ 'a' < 'B' }}{{ [1] < [1, 2] }}{{ true > false }}
{{ 1 == 1 == 1 }}{{ 1 < 2 > 1 }}{{ 1 in [1] == true }}
{{ a if a is defined else 'nd' }}{{ (a or 'x') }}{{ a|default('y')|upper }}
{{ undefined_name == '' }}{{ undefined_name != none }}{{ undefined_name is defined or true }}{{ [undefined_name] }}{{ undefined_name in [none] }}
{{ undefined_name|d(none) }}{{ undefined_name|default }}|{{ undefined_name|int }}
{{ undefined_name|replace('a', 'b') }}|{{ undefined_name|capitalize }}|{{ undefined_name|indent }}
{{ undefined_name|sort }}{{ undefined_name|sum }}{{ undefined_name|map('upper')|list }}{{ undefined_name|max }}{{ undefined_name|unique|list }}
{{ undefined_name|reverse|list }}{{ undefined_name|last }}
{{ undefined_name|tojson is defined }}
{{ undefined_name|dictsort }}
{{ undefined_name|batch(2)|list }}{{ undefined_name|groupby('a') }}{{ undefined_name|abs }}
{{ undefined_name|float }}
{{ undefined_name|round }}
{{ undefined_name|e }}|{{ undefined_name|safe }}|{{ undefined_name|wordcount }}|{{ undefined_name|title }}|{{ undefined_name|center(3) }}|
{{ undefined_name|format }}|{{ undefined_name|truncate }}
{{ undefined_name|select('odd')|list }}{{ undefined_name|rejectattr('a')|list }}
{{ none|string }}{{ none|lower }}{{ none|title }}{{ none|capitalize }}{{ none|replace('N', 'n') }}{{ none|e }}{{ none|center(6) }}
{{ none|float }}{{ none|int(3) }}{{ none|sort }}
{{ none|first }}
{{ none|items|list }}
{{ none|map('x')|list }}{{ none|select|list }}
{{ none|tojson }}{{ none|d('x') }}{{ none|default('x', true) }}
{{ none|indent }}
{{ none|reverse }}
{{ none[0] }}|{{ none.x }}|{{ 5.x }}
{{ 5|string|length }}{{ 5.5|string }}{{ 5|list }}
{{ 5|reverse }}
{{ 5|tojson|length }}{{ 5|default('x') }}{{ 0|default('x', true) }}{{ 5|replace(5, 6) }}{{ 5|indent }}
{{ xs|replace(1, 9) }}{{ xs|upper }}{{ xs|string }}{{ xs|title }}
{{ xs|indent }}
{{ xs|first|string ~ xs|last|string }}{{ xs|length|string + 'a' }}
{{ 'abc'|sort }}{{ 'cab'|sort|join }}{{ 'abca'|unique|join }}{{ 'abc'|max }}{{ 'abc'|batch(2)|list }}
{{ 'abc'|map('upper')|join }}{{ 'abc'|select('in', 'ab')|list }}{{ 'a b'|title|reverse }}
{{ 'abc'|items|list }}
{{ 'abc'|dictsort }}
{{ 'abc'|sum }}
{{ d|join(',') }}{{ d|first }}{{ d|sort }}{{ d|reverse|list }}{{ d|last }}{{ d|unique|list }}{{ d|max }}
{{ d|map('upper')|list }}{{ d|select('in', 'ab')|list }}{{ d|batch(2)|list }}{{ d|string|length }}{{ d|tojson|length }}
{{ d.items()|first }}{{ d.items()|list|last }}{{ d.keys()|sort }}{{ d.values()|map('string')|list }}{{ d.items()|sort(attribute='0')|list }}
{{ d.items()[0] }}|{{ d.keys()[0] }}
{{ d.nope }}|{{ d.get('nope').x }}
{{ d.get }}x
{{ 'a'.upper is defined }}{{ d.items is defined }}{{ xs.append is defined }}{{ xs.nope is defined }}
{{ xs.count(2) }}{{ xs.index(1) }}{{ xs.copy() }}{{ xs.__len__() }}
{{ (1, 2).count(1) }}{{ (1, 2) + (3,) }}{{ (1, 2)[0] }}{{ (1, 2)|length }}{{ () == [] }}{{ (1, 2) in [(1, 2)] }}
{{ {1: 'a', '1': 'b'}[1] }}{{ {1: 'a'}['1'] is defined }}{{ {true: 'x'}[1] }}{{ {1.0: 'y'}[1] }}{{ {none: 1}[none] }}{{ {(1, 2): 'z'}[(1, 2)] }}
{{ {'a': 1, 'a': 2} }}{{ {'b': 1, 'a': 2}|list }}{{ {1: 2, 'x': 3}|tojson }}{{ {'a': 1}|tojson(sort_keys=true) }}{{ {2: 1, 1: 2}|tojson(sort_keys=true) }}
{{ {1: 2, 'x': 3}|tojson(sort_keys=true) }}
{{ dict(a=1).items()|list }}{{ dict(**d).b }}{{ dict(d, x=1)|length }}{{ dict.fromkeys(['a', 'b'], 0) }}
{{ namespace(**d).b }}{{ namespace(d).b }}{{ namespace(a=1)['a'] }}
{{ 'a,b'.split(',')|map('upper')|list }}{{ 'a=b=c'.split('=', 1)[1] }}{{ ('a b').split(' ')[5] is defined }}
{{ 'abc'.startswith('a') and 'abc'.endswith('c') }}{{ 'abc'.startswith(('x', 'y')) }}{{ 'abc'.startswith(['a']) }}
{{ 'abc'.strip('ac') }}{{ 'abc'.lstrip('a').rstrip('c') }}{{ '  x '.strip(none) }}{{ 'abc'.strip('') }}
{{ 'abc'.find('') }}{{ 'abc'.find('z', 1) }}{{ 'abc'.find('c', -1) }}{{ 'abc'.find('a', 5) }}{{ ''.find('') }}{{ 'abc'.rfind('') }}{{ 'abc'.count('', 4) }}
{{ 'aXbXc'.replace('X', '') }}{{ 'aaa'.replace('a', 'b', 0) }}{{ ''.replace('', 'x') }}{{ 'abc'.replace('', '-', 2) }}{{ 'abc'.replace('a', 'b', count=1) }}
{{ 'a b'.title() }}{{ 'x'.center(4, '*') }}{{ 'xy'.center(5) }}|{{ 'ab'.center(3) }}|{{ 'a'.center(0) }}|{{ 'abc'.ljust(5, '.') }}{{ '5'.zfill(3) }}{{ '+5'.zfill(4) }}
{{ 'a\nb'.splitlines() }}{{ 'a\n\nb'.split('\n') }}{{ 'a\n\nb'.splitlines(keepends=True) }}{{ '\n'.splitlines() }}
{{ 'Hello'.swapcase() }}{{ 'ǅ'.lower() }}{{ 'ß'.upper() }}{{ 'ŒÉ'.lower() }}{{ 'ᾳ'.upper() }}{{ 'ΑΣ Σ'.lower() }}{{ 'ﬀ'.title() }}{{ 'ﬀ'.capitalize() }}
{{ 'a1'.isalnum() }}{{ 'a'.isupper() }}{{ '1'.islower() }}{{ 'A1'.isupper() }}{{ '１'.isdigit() }}{{ '①'.isdigit() }}{{ '①'.isdecimal() }}{{ 'Ⅷ'.isnumeric() }}{{ 'Ⅷ'.isalpha() }}{{ 'ª'.isalpha() }}{{ 'ª'.islower() }}
{{ '\u00ad'.isprintable() }}{{ '\u3000'.isprintable() }}{{ ' '.isprintable() }}{{ '\u2028'.isspace() }}{{ '\u180e'.isspace() }}{{ '\x1c'.isspace() }}{{ '\ufeff'.isspace() }}
{{ ['\u3000', '\xa0', '\xad', '😀', '\ue000', '\u0378', '\x00', 'é'] }}
{{ 1e16 }}{{ 1e-4 }}{{ 0.0001234 }}{{ 12345678901234567890.0 }}{{ 1.0e+5 }}{{ 5e-324 }}{{ 1.7976931348623157e308 }}{{ -1e-7 }}{{ 100.0 }}{{ 1e2 }}
{{ 0.1 + 0.2 }}{{ 1.1 * 3 }}{{ 1 / 3 }}{{ 10 / 5 }}{{ 7 / 2 }}{{ 2 ** 0.5 }}{{ 1e3 // 7 }}{{ -7.5 // 2 }}{{ 7.5 % -2 }}
{{ 2 ** 100 }}{{ 10 ** 20 }}{{ 10 ** 20 // 3 }}{{ -(10 ** 20) % 7 }}{{ 10 ** 20 == 1e20 }}{{ 2 ** 64 > 1e19 }}{{ (10 ** 20)|string|length }}{{ 99999999999999999999 / 3 }}
{{ 10 ** 400 / 3 }}
{{ 10.0 ** 400 }}
{{ 0 ** -1 }}
{{ (-8) ** 0.5 }}
{{ 1.5|round }}{{ 0.5|round }}{{ 1.005|round(2) }}{{ 1234.5678|round(-2) }}{{ 2.5|round(0, 'floor') }}{{ 2|round(2) }}{{ 1e20|round }}{{ 0.1|round(20) }}{{ 3|round(1, 'ceil') }}
{{ '0b11'|int(0, 2) }}{{ '0x1f'|int(0, 16) }}{{ '1f'|int(0, 16) }}{{ '-12'|int }}{{ '+3'|int }}{{ '1e3'|int }}{{ ''|int }}{{ '12abc'|int(5) }}{{ 'inf'|int(9) }}{{ ' 7\n'|int }}{{ [1]|int(4) }}
{{ 'inf'|float }}{{ '-inf'|float|int(3) }}
{{ 1e400|int }}
{{ true + true }}{{ true|int }}{{ true|string }}{{ true|tojson }}{{ -true }}{{ true == 1 }}{{ true is number }}{{ true ~ '' }}{{ true < 2 }}{{ [3, true, 2]|sort }}
{{ [true, 1, 1.0]|unique|list }}{{ ['a', 'A']|unique|list }}{{ [[1], [1]]|unique|list }}
{{ [3, 1.5, true]|sort }}{{ ['b', 'B', 'a']|sort }}{{ ['é', 'z', 'e']|sort }}{{ [[2, 1], [1, 2]]|sort }}{{ [(1, 'b'), (1, 'a')]|sort }}
{{ [none, 1]|sort }}
{{ [{}, {}]|sort }}
{{ [1, 2, 3]|slice(2)|list }}{{ [1, 2, 3, 4, 5]|slice(3, fill_with='x')|list }}{{ [1, 2, 3]|batch(2, fill_with=0)|list }}
{{ [1, 2]|random in [1, 2] }}{{ [1,2,3]|reverse|list }}{{ [1,2,3]|last }}{{ []|last is defined }}
{{ 'a b c d e f'|truncate(5, true, '') }}{{ 'hello world'|truncate(8) }}{{ 'hello world'|truncate(5, leeway=0) }}{{ 'hello'|truncate(3, end='!', leeway=0) }}
{{ 'hello'|truncate(2) }}
{{ 'foo bar baz qux'|wordwrap(8) }}|{{ 'foo bar-baz qux'|wordwrap(9) }}|{{ 'a  b   c'|wordwrap(3) }}|{{ 'abc\n\ndef ghi'|wordwrap(4) }}|{{ 'abcdefgh ij'|wordwrap(3, false) }}|{{ 'foo bar'|wordwrap(3, wrapstring='/') }}
{{ '<a>&"'|e }}{{ '<'|e|string }}{{ ('<'|e ~ '>') }}{{ ['<'|e, '<']|join }}{{ ('<'|safe).upper() }}{{ ('<'|e) == '&lt;' }}{{ ('<'|e)|length }}{{ ('a'|safe)|tojson }}{{ [('a'|safe)] }}
{{ ('<'|safe) ~ '<' }}{{ '<' + ('<'|e) }}{{ ('%s'|safe) % '<' }}{{ ('<b>'|safe).replace('b', '<') }}{{ ('a<b'|safe).split('<') }}
{{ 'http://a.b/c d?e=f&g'|urlencode }}{{ {'a': [1, 2]}|urlencode }}{{ [('a', 'b')]|urlencode }}{{ 5|urlencode }}
{{ 1000000|filesizeformat }}{{ 999|filesizeformat }}{{ 1024|filesizeformat(binary=true) }}{{ '500'|filesizeformat }}{{ 1e30|filesizeformat }}
{{ {'a': 1}|xmlattr }}{{ {'a': '"<'}|xmlattr(false) }}{{ {}|xmlattr }}
{{ d|pprint }}{{ 'x'|pprint }}{{ 1.0|pprint }}
{{ "a" is sameas "a" }}{{ none is sameas none }}{{ 1 is sameas 1 }}{{ [] is sameas [] }}
{{ 3 is divisibleby 3 }}{{ 3.0 is odd }}{{ 'a' is eq('a') }}{{ 'a' is in(['a']) }}{{ 1 is not in [2] }}{{ none is not none }}{{ x is not defined }}
{{ 'a' is odd }}
{{ messages is iterable and messages is not string and messages is not mapping }}
{{ tools is none }}{{ tools is defined and tools }}{{ tools|default('x') }}{{ documents is none }}
{{ eos_token }}{{ pad_token }}{{ bos_token is defined }}{{ bos_token }}|{{ unk_token|default('u') }}
{{ strftime_now('%Y')|length }}{{ strftime_now('%d %b %Y')|length > 9 }}{{ strftime_now('%z') }}|{{ strftime_now('%Z') }}|
{{ raise_exception }}x
{{ raise_exception() }}
{{ range('a') }}
{{ range() }}
{{ range(1.5) }}
{{ xs[1.0] is defined }}{{ xs['0'] is defined }}{{ xs[true] }}{{ 'abc'[true] }}
{{ xs[::0] }}
{{ xs['a':] }}
{{ d[1:2] }}|{{ 5[1:2] }}
{{ messages[0]['content'][:5] + '...' }}
{% for m in messages %}{% set c = m.content if m.content is string else (m.content|tojson if m.content is defined else '') %}{{ c }};{% endfor %}
{% for m in messages %}{{ '<' + m.role + '>' }}{% if m.content is string %}{{ m.content }}{% elif m.content is iterable %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}{% endfor %}
{% for tc in messages[2].tool_calls %}{% set tc = tc.function %}{{ tc.name }}{{ tc.arguments|tojson }}{% for k, v in tc.arguments|items %}{{ k }}={{ v|tojson if v is not string else v }}{% endfor %}{% endfor %}
{{ {'a': 1} | tojson | replace('"', "'") }}{{ ("x" * 3)|length }}
{% set x = {'a': 1} %}{% set _ = x.update({'b': 2}) %}{{ x }}
{% set x = [1] %}{% set _ = x.append(2) %}{{ x }}
{% set _x = 5 %}{{ _x }}{{ __x is defined }}
{%set a=1%}{{a}}{%if a==1%}y{%endif%}
{% if a.b is defined %}x{% else %}y{% endif %}
{{ (a is defined) and (a.b is defined) }}
{{ "\x41\u0042\103\N" }}
{{ "\N{DASH}" }}
{{ 'a' 'b' }}{{ ('a'
'b') }}
{{ 1if true else 2 }}
{{ 'a' if true else 'b' if false else 'c' }}
{{ [x for x in xs] }}
{{ lambda: 1 }}
{{ xs | map(attribute = 'a') | list }}
{{ f(1)(2) }}
{{ {} .x is defined }}{{ [].x is defined }}
{{ 1.real }}
{{ 1 .real }}{{ (1).real }}{{ 1.5.real }}
{{ "abc".0 }}{{ xs.0 }}{{ xs.5 is defined }}
{{ xs.-1 }}
{{ a..b }}
{{ 'unterminated }}
{{ "a" + }}
{{ * }}
{% for %}{% endfor %}
{% for x xs %}{% endfor %}
{% for x in xs %}
{% endfor %}
{% if true %}{% else %}{% else %}{% endif %}
{% set %}
{% set x %}
{% set x = %}
{% macro %}{% endmacro %}
{% macro a(x=1, y) %}{% endmacro %}
{% macro a(true) %}{% endmacro %}
{% call x %}{% endcall %}
{% raw %}
{% continue %}
{% for x in xs %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}
{{ x == }}
{{ (1, 2 }}
{{ {1, 2} }}
{{ {'a' 1} }}
{{ 'a'|}}
{{ 'a' is }}
{{ xs[ }}
{{ loop }}
{{ 'é'.encode('utf8') is defined }}
{% extends 'x' %}
{% import 'x' as y %}
{% do x %}
{% trans %}x{% endtrans %}
{{ _('x') }}
{{ gettext is defined }}
{{ debug }}{{ lipsum is defined }}{{ cycler is defined }}
'''.strip('\n').split('\n')

# Python knows complex numbers and bytes; the engine here raises for them, as docs/tokens.md says.
LEFT_OUT = {"{{ (-8) ** 0.5 }}", "{{ 'é'.encode('utf8') is defined }}"}


def own_templates() -> list[str]:
    known = dict.fromkeys(PRINTING + CONTROL + FILTERS + TESTS + METHODS + ERRORS + MORE)
    return [template for template in known if template not in LEFT_OUT]
