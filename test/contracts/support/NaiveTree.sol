// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// The Merkle tree of RFC 9162 §2.1 word for word, by recursion at the largest power of two below the size. It shares no code
/// with LotTree and is slow on purpose: it is what LotTree is held against.
library NaiveTree {
    /// MTH over leaf hashes `from` (included) to `to` (not included).
    function root(bytes32[] memory leaves, uint256 from, uint256 to) internal pure returns (bytes32) {
        if (to - from == 1) return leaves[from];
        uint256 k = split(to - from);
        return node(root(leaves, from, from + k), root(leaves, from + k, to));
    }

    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        return root(leaves, 0, leaves.length);
    }

    /// PATH(m, D_n), the sibling next to the leaf first.
    function path(bytes32[] memory leaves, uint256 m) internal pure returns (bytes32[] memory) {
        return _path(leaves, 0, leaves.length, m);
    }

    /// What a path of any length leads to, or zero when it is no path for this position and size.
    function climb(bytes32[] memory p, uint256 index, uint256 size, bytes32 leaf) internal pure returns (bytes32) {
        (bool fits, bytes32 hash) = _climb(p, p.length, index, size, leaf);
        return fits ? hash : bytes32(0);
    }

    function split(uint256 n) internal pure returns (uint256 k) {
        k = 1;
        while (k * 2 < n) k *= 2;
    }

    function node(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return keccak256(bytes.concat(hex"01", left, right));
    }

    function _path(bytes32[] memory leaves, uint256 from, uint256 to, uint256 m) private pure returns (bytes32[] memory) {
        if (to - from == 1) return new bytes32[](0);
        uint256 k = split(to - from);
        if (m < k) return _append(_path(leaves, from, from + k, m), root(leaves, from + k, to));
        return _append(_path(leaves, from + k, to, m - k), root(leaves, from, from + k));
    }

    function _climb(
        bytes32[] memory p,
        uint256 length,
        uint256 index,
        uint256 size,
        bytes32 leaf
    ) private pure returns (bool, bytes32) {
        if (size == 1) return (length == 0, leaf);
        if (length == 0) return (false, 0);
        uint256 k = split(size);
        bool left = index < k;
        (bool fits, bytes32 below) = _climb(p, length - 1, left ? index : index - k, left ? k : size - k, leaf);
        return (fits, left ? node(below, p[length - 1]) : node(p[length - 1], below));
    }

    function _append(bytes32[] memory list, bytes32 last) private pure returns (bytes32[] memory longer) {
        longer = new bytes32[](list.length + 1);
        for (uint256 i = 0; i < list.length; ++i) longer[i] = list[i];
        longer[list.length] = last;
    }
}
