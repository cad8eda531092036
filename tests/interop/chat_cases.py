"""Templates and chats for test_chat.py: written here, read from ../shared/templates, and those TRL brings along."""

import glob
import itertools
import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

CHATML = """{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

WRITTEN = {
    "chatml": CHATML,
    "default-system": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\\nYou are kind.<|im_end|>\\n' }}{% endif %}" + CHATML[CHATML.index("{{'<") :],
    "roles-by-turn": """{%- for message in messages %}
    {%- if message['role'] == 'user' %}
{{- '<|user|>\\n' + message['content'] + eos_token }}
    {%- elif message['role'] == 'system' %}
{{- '<|system|>\\n' + message['content'] + eos_token }}
    {%- elif message['role'] == 'assistant' %}
{{- '<|assistant|>\\n'  + message['content'] + eos_token }}
    {%- endif %}
    {%- if loop.last and add_generation_prompt %}
        {{- '\\n<|assistant|>' }}
    {%- endif %}
{%- endfor %}
""",
    "alternating": """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}
    {% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
    {% endif %}
    {% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}
    {{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}
{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}""",
    "system-in-user": """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{{- bos_token }}
{%- set ns = namespace(index=0) %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, conversation roles must alternate user/assistant/user/assistant/...") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}
    {%- endif %}
{%- endfor %}
""",
    "macros": """{%- macro turn(role, text, end='<|end|>') -%}
<|{{ role }}|>
{{ text | trim }}{{ end }}
{%- endmacro -%}
{% for m in messages if m.role in ['user', 'assistant'] -%}
{% if loop.index > 4 %}{% break %}{% endif %}
{{ turn(m.role, m['content'], end=('<|stop|>' if loop.last else '<|end|>')) }}
{% endfor %}{{ messages | length }} {{ messages | map(attribute='role') | join(', ') }} {{ (messages | last).content | upper | length }}
{% generation %}{{ messages[-1]['content'].split('</think>')[-1].lstrip('\\n') }}{% endgeneration %}
""",
    "json": "{{ messages | tojson }}\n{{ messages[0] | tojson(indent=2) }}{% for m in messages %}{{ m.items() | list }}{% for k, v in m | dictsort %}{{ k }}={{ v }};{% endfor %}{% endfor %}{{ messages }}",
}


def templates():
    cases = dict(WRITTEN)
    for path in sorted(glob.glob(os.path.join(ROOT, "..", "shared", "templates", "*.jinja"))):
        cases["shared/" + os.path.basename(path)] = open(path, encoding="utf-8").read()
    try:
        import trl

        for path in sorted(glob.glob(os.path.join(os.path.dirname(trl.__file__), "chat_templates", "*.jinja"))):
            cases["trl/" + os.path.basename(path)] = open(path, encoding="utf-8").read()
    except ImportError:
        pass
    return cases


CONTENTS = {
    "system": ["You are kind.", " Répondez en français.\n"],
    "user": ["Hi there", "  What is 2 + 2?\n", "日本語 'quoted' \"both\" \\ {{ x }} {% if %}\t\u2028"],
    "assistant": ["Hello!", "<think>\nI think.\n</think>\n\nFour. ", " It’s 4 \N{WAVING HAND SIGN}"],
}


def chats(longest=4):
    """Every order of roles up to a length, and a few chats with more fields."""
    for n in range(1, longest + 1):
        for roles in itertools.product(("system", "user", "assistant"), repeat=n):
            if roles.count("system") > 2:
                continue
            yield {"messages": [{"role": role, "content": CONTENTS[role][(i + n) % len(CONTENTS[role])]} for i, role in enumerate(roles)]}
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Go on"}]
    yield {"messages": talk, "chat_template_kwargs": {"enable_thinking": False}}
    yield {"messages": talk, "chat_template_kwargs": {"enable_thinking": True}}
    yield {"messages": talk[:1] + [{"role": "assistant", "reasoning_content": "Hm.\n", "content": "Yes?"}] + talk[2:]}
    yield {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "reasoning_content": "Hm.", "content": "Yes?"}]}
    yield {"messages": [{"role": "user", "content": "Hi", "name": "Ann"}, {"role": "assistant", "content": None}]}
    yield {"messages": [{"role": "user", "content": [{"type": "text", "text": "Parts"}]}]}
    yield {"messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"}]}
    tool = {
        "type": "function",
        "function": {
            "name": "add",
            "description": "Adds <numbers> & more",
            "parameters": {"type": "object", "properties": {"a": {"type": "number", "description": "first"}}, "required": ["a"]},
        },
    }
    call = {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": "abcdefghi", "type": "function", "function": {"name": "add", "arguments": {"a": 1.5, "b": None, "c": [1, True]}}}
        ],
    }
    yield {"messages": talk, "tools": [tool]}
    yield {"messages": [talk[0], call, {"role": "tool", "tool_call_id": "abcdefghi", "name": "add", "content": "1.5"}], "tools": [tool]}
