# SPDX-License-Identifier: GPL-2.0
"""A reader of BTF, the kernel's own description of its types: struct sizes and member offsets by name."""
import struct

# Bytes that follow a type of each kind: (fixed, per element).
EXTRA = {1: (4, 0), 3: (12, 0), 4: (0, 12), 5: (0, 12), 6: (0, 8), 13: (0, 8), 14: (4, 0), 15: (0, 12), 17: (4, 0),
         19: (0, 12)}
INT, POINTER, ARRAY, STRUCT, UNION, ENUM, ENUM64 = 1, 2, 3, 4, 5, 6, 19
PASSED_ON = {8, 9, 10, 11, 18}  # typedef, volatile, const, restrict, type tag


class Btf:
    """The types of one BTF file, on top of those of a base."""

    def __init__(self, data, base=None):
        # A file has the byte order of its kernel.
        self.order = {b"\x9f\xeb": "<", b"\xeb\x9f": ">"}.get(data[:2])
        if not self.order:
            raise SystemExit("btf: this is not a BTF file")
        header, type_offset, type_length, string_offset, string_length = struct.unpack_from(f"{self.order}4xIIIII", data)
        self.strings = (base.strings if base else b"") + data[header + string_offset:][:string_length]
        self.types = list(base.types) if base else [None]
        self.first = len(self.types)
        position, end = header + type_offset, header + type_offset + type_length
        while position < end:
            name, info, size = struct.unpack_from(f"{self.order}III", data, position)
            kind, count = info >> 24 & 0x1F, info & 0xFFFF
            fixed, each = EXTRA.get(kind, (0, 0))
            body = data[position + 12:position + 12 + fixed + each * count]
            self.types.append((kind, name, bool(info >> 31), count, size, body))
            position += 12 + fixed + each * count

    def name(self, offset):
        """Returns the string at an offset."""
        return self.strings[offset:self.strings.index(b"\0", offset)].decode()

    def resolve(self, number):
        """Returns the number of the type behind typedefs and qualifiers."""
        while number and self.types[number][0] in PASSED_ON:
            number = self.types[number][4]
        return number

    def bits(self, number):
        """Returns the size of a type in bits, or None."""
        number = self.resolve(number)
        if not number:
            return None
        kind, _, _, _, size, body = self.types[number]
        if kind == POINTER:
            return 64
        if kind == ARRAY:
            element, _, count = struct.unpack(f"{self.order}III", body)
            one = self.bits(element)
            return None if one is None else one * count
        return size * 8 if kind in (INT, STRUCT, UNION, ENUM, ENUM64) else None

    def members(self, number, base=0, prefix=""):
        """Yields (name, bit offset, bit size) of a struct; those of unnamed parts as if they were its own."""
        _, _, flagged, count, _, body = self.types[number]
        for index in range(count):
            name, kind, offset = struct.unpack_from(f"{self.order}III", body, index * 12)
            width = offset >> 24 if flagged else 0
            offset = base + (offset & 0xFFFFFF if flagged else offset)
            inner = self.resolve(kind)
            name = self.name(name)
            if name:
                yield prefix + name, offset, width or self.bits(kind)
            unnamed = inner and self.types[inner][0] in (STRUCT, UNION) and not self.types[inner][1]
            if unnamed:
                yield from self.members(inner, offset, prefix + name + "." if name else prefix)

    def structs(self):
        """Returns {name: [(size in bits, {member: (bit offset, bit size)})]} of the file's own named structs and unions."""
        found = {}
        for number in range(self.first, len(self.types)):
            kind, name, _, count, size, _ = self.types[number]
            if kind in (STRUCT, UNION) and name and count:
                members = {member: (offset, width) for member, offset, width in self.members(number)}
                found.setdefault(self.name(name), []).append((size * 8, members))
        return found
