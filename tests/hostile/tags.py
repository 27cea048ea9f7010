"""Tags that try to leave the template language, never end, or grow without bound."""

from tests.hostile.cases import CANARY, GOOD, TOO_MUCH, Case, docx, word

#: Server-side template injection: the classics for Jinja, Mako, Twig, Freemarker, ERB and others.
INJECTIONS = (
    "{{ 7*7 }}",
    "{{ 7*'7' }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__']['__base__']['__subclasses__']() }}",
    "{{ x.__class__.__init__.__globals__ }}",
    "{{ x|attr('__class__')|attr('__mro__') }}",
    "{{ x|attr(['_'*2,'class','_'*2]|join) }}",
    "{{ ()|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ self.__init__.__globals__.__builtins__ }}",
    "{{ self._TemplateReference__context.cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ config.items() }}",
    "{{ request.application.__globals__ }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ url_for.__globals__ }}",
    "{{ range.__self__ }}",
    "{{ loop.__class__ }}",
    "{{ dict.__base__ }}",
    "{{ debug() }}",
    "{% debug %}",
    "{{ x.format.__globals__ }}",
    "{{ '{0.__class__}'.format(x) }}",
    "{{ '%s'|format(x.__class__) }}",
    f"{{{{ open('{CANARY}').read() }}}}",
    f"{{% include '{CANARY}' %}}",
    "{% include '/etc/passwd' %}",
    f"{{% extends '{CANARY}' %}}",
    f"{{% import '{CANARY}' as m %}}",
    f"{{% from '{CANARY}' import m %}}",
    "{{ include('/etc/passwd') }}",
    "{% autoescape false %}{{ x }}{% endautoescape %}",
    "{% set __class__ = 1 %}{{ __class__ }}",
    "{{ __import__('os').environ }}",
    "{{ eval('1') }}",
    "{{ env }}",
    "${7*7}",
    "&lt;%= 7*7 %&gt;",
    "#{7*7}",
    "*{T(java.lang.Runtime).getRuntime()}",
    "&lt;#assign x='freemarker.template.utility.Execute'?new()&gt;${x('id')}",
    "{{_self.env.registerUndefinedFilterCallback('exec')}}",
    "{{#with 's' as |string|}}{{/with}}",
    "{php}echo `id`;{/php}",
    "{%r x %}",
    "{%p x %}",
    "{%tc x %}",
    "{{r x }}",
    "{{p x }}",
    "{{ x|subdoc }}",
    "{{ x|image }}",
    "{{ x|safe }}",
    "{{ x|tojson }}",
    "{{ x|pprint }}",
    "{{ x|no_such_filter }}",
    "{{ no_such_function() }}",
    "{{ x is no_such_test }}",
    "{{ x.upper }}",
    "{{ x.__call__() }}",
    "{{ 1/0 }}",
    "{{ 1 // 0 }}",
    "{{ 9**99999999 }}",
    "{{ -1|abs ** -1 }}",
    "{{ x[9999999999999999999999] }}",
    "{{ x[::0] }}",
)
_NESTED = "".join(f"{{% for {name} in range(100000) %}}" for name in "abcd") + "{% endfor %}" * 4
#: What asks for too much time, memory or stack.
_GREEDY = {
    "nested-loops": _NESTED,
    "loop-over-a-billion": "{% for i in range(1000000000) %}{{ i }}{% endfor %}",
    "list-of-a-billion": "{{ range(1000000000)|list|length }}",
    "sum-of-a-list": "{{ range(99999)|list + range(99999)|list }}",
    "string-of-a-billion": "{{ 'a' * 1000000000 }}",
    "string-doubled": "{% set ns = namespace(s='aaaaaaaaaa') %}{% for i in range(60) %}"
    "{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s|length }}",
    "string-joined": "{{ range(9999)|join('a' * 100000) }}",
    "string-replaced": "{{ ('a' * 100000)|replace('a', 'b' * 100000) }}",
    "string-centred": "{{ 'a'|center(1000000000) }}",
    "string-indented": "{{ 'a'|indent(1000000000) }}",
    "string-formatted": "{{ '%01000000000d' % 1 }}",
    "string-formatted-by-a-filter": "{{ '%01000000000d'|format(1) }}",
    "batches": "{{ range(9999)|batch(1, 'a' * 1000000)|list }}",
    "slices": "{{ [1]|slice(100000000)|list }}",
    "macro-of-itself": "{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}",
    "macros-of-each-other": "{% macro a() %}{{ b() }}{{ b() }}{% endmacro %}"
    "{% macro b() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}",
    "recursive-loop": "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "parentheses": "{{ " + "(" * 50_000 + "1" + ")" * 50_000 + " }}",
    "brackets": "{{ " + "[" * 50_000 + "]" * 50_000 + " }}",
    "minus-signs": "{{ " + "-" * 50_000 + "1 }}",
    "not-not": "{{ " + "not " * 50_000 + "1 }}",
    "filters-in-a-row": "{{ 1" + "|string" * 50_000 + " }}",
    "ifs-in-ifs": "{% if 1 %}" * 5_000 + "{% endif %}" * 5_000,
    "attributes-in-a-row": "{{ x" + ".a" * 50_000 + " }}",
    "sum-of-many": "{{ 1" + "+1" * 50_000 + " }}",
    "regular-expression": "{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!' is matching('(a+)+$') }}",
    "numbers-without-end": "{{ 9" + "9" * 100_000 + " }}",
    "every-line-a-row": "{{ ('a\\n' * 10000000) }}",
    "sorted-often": "{% for i in range(10000) %}{% set x = range(90000)|sort %}{% endfor %}",
    "groups": "{{ range(99999)|map('string')|groupby('x') }}",
    "qr-of-everything": "{{ ('a' * 100000)|qr }}",
    "markdown-nested": "{{ ('&gt;' * 20000)|markdown }}",
    "markdown-lists": "{{ ('- ' * 20000)|markdown }}",
}


def cases() -> list[Case]:
    """Return the family."""
    allowed = ("template_error", "data_missing", "data_invalid", GOOD)
    probes = [_tag(f"injection-{number}", text, *allowed) for number, text in enumerate(INJECTIONS)]
    return [*probes, *(_tag(f"greedy-{name}", text, *TOO_MUCH, *allowed) for name, text in _GREEDY.items())]


def _tag(name: str, text: str, *allowed: str) -> Case:
    data = {"x": "<b>&amp;</b>", "xs": [1, 2]}
    return docx(f"tags-{name}", lambda canary: word(text.replace(CANARY, canary)), *allowed, data=data)
