"""Makes the stand-ins light: their sources as MicroPython is to have them, with fewer names of their own.

In a chip's flash a module's names cost no memory. From a ROM image they do: each one that the interpreter
does not know takes some ten bytes of the heap, and near 1,270 of them, the firmware's included, the
interpreter makes a table of 9 kB more. So here the names that nobody outside of the stand-ins can see are
exchanged for names that the interpreter brings itself, and what is for CPython alone goes.

It must never exchange a name that the firmware could use: `_exchanged` says which are left. Lines keep their
numbers; a traceback through a stand-in names its functions in the interpreter's words.
"""

import ast
import builtins
import io
import keyword
import re
import tokenize
from collections.abc import Iterable

# Names of MicroPython 1.25 itself (unix port): of math, errno, select, termios, uctypes, framebuf, asyncio.
# Where another interpreter lacks one, that one costs memory and works all the same.
_KNOWN = """
    acos acosh asin asinh atan atan2 atanh ceil copysign cos cosh degrees erf erfc expm1 fabs factorial
    floor fmod frexp gamma isclose isfinite isinf isnan ldexp lgamma log10 log2 modf radians sinh sqrt
    tanh trunc log exp sin tan phase polar rect tau inf nan EACCES EADDRINUSE EAGAIN EALREADY EBADF
    ECONNABORTED ECONNREFUSED ECONNRESET EEXIST EINPROGRESS EINVAL EIO EISDIR ENOBUFS ENODEV ENOENT ENOMEM
    ENOTCONN EOPNOTSUPP EPERM ETIMEDOUT POLLERR POLLHUP POLLOUT MSG_DONTROUTE MSG_DONTWAIT SOCK_DGRAM
    SOCK_RAW SOL_SOCKET SO_BROADCAST SO_ERROR SO_KEEPALIVE SO_LINGER SO_REUSEADDR AF_INET6 AF_UNIX
    PROTOCOL_DTLS_CLIENT PROTOCOL_DTLS_SERVER B1000000 B115200 B1152000 B230400 B460800 B500000 B57600
    B576000 B921600 B9600 TCSANOW setraw tcgetattr tcsetattr ARRAY BFINT16 BFINT32 BFINT8 BFUINT16
    BFUINT32 BFUINT8 BF_LEN BF_POS BIG_ENDIAN FLOAT32 FLOAT64 INT INT16 INT32 INT64 INT8 LITTLE_ENDIAN
    LONG LONGLONG NATIVE PTR SHORT UINT UINT16 UINT32 UINT64 UINT8 ULONG ULONGLONG USHORT VOID addressof
    bytes_at mem16 mem32 mem8 FrameBuffer FrameBuffer1 GS2_HMSB GS4_HMSB GS8 MONO_HLSB MONO_HMSB MONO_VLSB
    MVLSB RGB565 blit ellipse fill_rect hline pixel poly scroll vline choice getrandbits randint random
    randrange uniform seed AUTO DeflateIO GZIP RAW ZLIB CancelledError Event Lock LockType Loop Response
    RingIO Server Signal Stream StreamReader StreamWriter Task TaskQueue ThreadSafeFlag VfsFat VfsLfs1
    VfsLfs2 VfsPosix IOQueue PinBase SingletonGenerator call_exception_handler cur_task current_task
    create_task default_exception_handler get_event_loop get_exception_handler get_extra_info
    new_event_loop open_connection run_forever run_until_complete set_exception_handler start_server
    stream_awrite wait_closed wait_for wait_for_ms wait_io_event queue_read queue_write allocate_lock
    get_ident start_new_thread stack_size a2b_base64 b2a_base64 heapify heappop heappush appendleft
    popleft namedtuple OrderedDict deque inet_ntop inet_pton recvfrom sendto sockaddr libc_ver
    python_compiler mem_current mem_peak mem_total heap_lock heap_unlock kbd_intr opt_level qstr_info
    stack_use schedule peek
"""
SPARE = _KNOWN.split()


def lean(sources: dict[str, str], caller: str) -> dict[str, str]:
    """The same modules (path without its ending → text) with fewer names of their own. Those whose names
    begin with an underscore are private: only the others import them, and `caller`, the text of who begins.
    """
    texts = {path: _without_cpython(text) for path, text in sources.items()}
    words = {word for text in texts.values() for word in _words(text)}
    spare = [name for name in SPARE if name not in words]
    names = dict(zip(sorted(_exchanged(texts, caller)), spare, strict=False))
    return {path: _renamed(text, names) for path, text in texts.items()}


def _without_cpython(text: str) -> str:
    """Ask nothing that the compiler cannot answer: it then leaves out what is for CPython."""
    text = re.sub(r'^MICROPYTHON = sys\.implementation\.name == "micropython"$', "", text, flags=re.MULTILINE)
    text = text.replace('sys.implementation.name == "micropython"', "True")
    return re.sub(r"\b(_board\.)?MICROPYTHON\b", "True", text)


def _exchanged(texts: dict[str, str], caller: str) -> set[str]:
    """The names that mean something within the stand-ins alone.

    They are the names with an underscore, what a private module defines for the others, and the parameters of
    both; without those that are seen elsewhere too: as an attribute of anything but a private module, as the
    name of an argument, or in a text.
    """
    trees = {path: ast.parse(text) for path, text in texts.items()}
    nodes = [node for tree in trees.values() for node in ast.walk(tree)]
    quoted = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    # One that is imported by a text has its names asked for by text, too.
    private = {module for module in trees if _private(module)} - quoted
    ours: set[str] = set()
    seen = {*dir(builtins), *keyword.kwlist, *_words(caller), *quoted, *_words(" ".join(trees))}
    for path, tree in trees.items():
        own, shown = _definitions(tree, path in private)
        # A package, as umqtt, is Python on a chip too, and programs take its classes further.
        seen |= own | shown if "/" in path else shown
        ours |= own
    for node in nodes:
        if isinstance(node, ast.Attribute):
            if _private(node.attr):
                ours.add(node.attr)
            elif not (isinstance(node.value, ast.Name) and node.value.id in private):
                seen.add(node.attr)
        elif isinstance(node, ast.keyword):
            seen.add(node.arg or "")
        elif isinstance(node, ast.alias):
            seen.update(node.name.split("."))
            if node.asname and not _private(node.asname):
                seen.add(node.asname)
    return ours - seen


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def _private(name: str) -> bool:
    return len(name) > 1 and name.startswith("_") and not name.startswith("__")


def _definitions(tree: ast.Module, inside: bool) -> tuple[set[str], set[str]]:
    """(names that this module keeps to itself, or to its like where it is `inside`; names that it shows)."""
    own: set[str] = set()
    shown: set[str] = set()

    def take(body: Iterable[ast.stmt], hidden: bool) -> None:
        for statement in body:
            for node in _shallow(statement):
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    (own if hidden or _private(node.name) else shown).add(node.name)
                    if isinstance(node, ast.ClassDef):
                        take(node.body, False)
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    (own if hidden or _private(node.id) else shown).add(node.id)

    take(tree.body, inside)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names = {one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
            (own if inside or _private(node.name) else shown).update(names - {"self", "cls"})
    return own, shown


def _shallow(statement: ast.stmt) -> Iterable[ast.AST]:
    """A statement and what is in it, but not what is in the functions and classes within."""
    yield statement
    if not isinstance(statement, ast.FunctionDef | ast.ClassDef):
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.stmt):
                yield from _shallow(child)
            else:
                yield from ast.walk(child)


def _renamed(text: str, names: dict[str, str]) -> str:
    lines = text.splitlines(keepends=True)
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(text).readline))):
        if token.type == tokenize.NAME and token.string in names:
            row, column = token.start
            line = lines[row - 1]
            lines[row - 1] = line[:column] + names[token.string] + line[token.end[1] :]
    return "".join(lines)
