// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title The Merkle tree over one lot
/// @notice The tree of RFC 9162 §2.1 with keccak256: leaves are hashed behind a 0x00 byte and nodes behind a 0x01 byte, so a
/// node can never pass for a leaf, and a path is checked against position and size, so it holds for one position alone.
library LotTree {
    /// @notice keccak256(0x00 ‖ content ‖ holder ‖ buyer): 57 bytes, all of fixed width.
    function leafHash(bytes32 content, address holder, uint32 buyer) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x00), content, holder, buyer));
    }

    /// @notice keccak256(0x01 ‖ left ‖ right).
    function nodeHash(bytes32 left, bytes32 right) internal pure returns (bytes32 hash) {
        // 65 bytes in free memory; nothing is allocated, so a path costs no memory
        assembly ("memory-safe") {
            let at := mload(0x40)
            mstore8(at, 0x01)
            mstore(add(at, 0x01), left)
            mstore(add(at, 0x21), right)
            hash := keccak256(at, 0x41)
        }
    }

    /// @notice Root over the leaf hashes of a lot. Requirement: at least one (the caller bounds their number).
    /// @dev Level by level, an odd last node goes up as it is: the same tree as the RFC's recursive split at the largest
    /// power of two. Free memory holds a prefix byte's scratch (0x60 bytes) and the current level behind it.
    function root(bytes32[] calldata leaves) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            let level := add(scratch, 0x60)
            let count := leaves.length
            calldatacopy(level, leaves.offset, shl(5, count))
            mstore8(scratch, 0x01)
            for {} gt(count, 1) {} {
                let from := level
                let to := level
                let end := add(level, shl(6, shr(1, count)))
                for {} lt(from, end) {} {
                    mcopy(add(scratch, 0x01), from, 0x40)
                    mstore(to, keccak256(scratch, 0x41))
                    from := add(from, 0x40)
                    to := add(to, 0x20)
                }
                if and(count, 1) {
                    mstore(to, mload(from))
                }
                count := shr(1, add(count, 1))
            }
            result := mload(level)
        }
    }

    /// @notice Root that a path leads to (RFC 9162 §2.1.3.2), or zero when it is no path for this position and size.
    /// Requirement: index < size.
    function rootFrom(
        bytes32[] calldata path,
        uint256 index,
        uint256 size,
        bytes32 leaf
    ) internal pure returns (bytes32 hash) {
        hash = leaf;
        uint256 last = size - 1;
        // as long as the path, which the caller bounds by the lot's size: `last` is zero after its bits are used up
        for (uint256 i = 0; i < path.length; ++i) {
            if (last == 0) return 0;
            if (index & 1 == 1 || index == last) {
                hash = nodeHash(path[i], hash);
                // an odd last node that went up alone: skip the levels without a sibling. It is not the first, so it has a set bit.
                while (index & 1 == 0) {
                    index >>= 1;
                    last >>= 1;
                }
            } else {
                hash = nodeHash(hash, path[i]);
            }
            index >>= 1;
            last >>= 1;
        }
        if (last != 0) return 0;
    }
}
